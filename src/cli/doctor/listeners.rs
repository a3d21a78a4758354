//! Where a server is to listen, and who would be let in.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use super::report::Report;
use crate::http::auth::AuthFlags;
use crate::settings::Settings;
use crate::transport::listen::{ListenUrl, Listeners};

const AREA: &str = "listeners";

/// Looks at the addresses of the command line, or at that of the main job, and at who is let in by HTTP.
pub(super) fn look(report: &mut Report, settings: &Settings, urls: &[ListenUrl], auth: &AuthFlags) {
    addresses(report, settings, urls, auth);
    if settings.allowed_origins.iter().any(|origin| origin == "*") {
        report.warning(
            AREA,
            "origins",
            "pages of every web site are let in",
            "name the origins that you trust in allowed_origins",
        );
    }
    let operators = match settings.admin_token.is_some() {
        true => "/admin and /metrics take a token",
        false => "/admin and /metrics answer this machine only",
    };
    report.good(AREA, "operators", operators);
}

fn addresses(report: &mut Report, settings: &Settings, urls: &[ListenUrl], auth: &AuthFlags) {
    let main = [ListenUrl::WebSocket(crate::cli::serve::MAIN_ADDRESS)];
    let urls = if urls.is_empty() { &main[..] } else { urls };
    let authenticated = match auth.validate() {
        Ok(authenticated) => authenticated,
        Err(error) => {
            report.failure(
                AREA,
                "authentication",
                error,
                "a server does not start with these flags",
            );
            return;
        }
    };
    let listeners = match Listeners::collect(urls, &settings.home, authenticated) {
        Ok(listeners) => listeners,
        Err(error) => {
            report.failure(AREA, "addresses", error, "a server does not start with these flags");
            return;
        }
    };
    if !listeners.tcp.is_empty() {
        match auth.policy() {
            Ok(policy) if policy.required() => report.good(AREA, "authentication", "clients must show a token"),
            Ok(_) => report.good(AREA, "authentication", "none; only this machine can connect"),
            Err(error) => report.failure(
                AREA,
                "authentication",
                error,
                "a server does not start without its secret",
            ),
        }
    }
    for address in &listeners.tcp {
        tcp(report, *address);
    }
    for path in &listeners.unix {
        let text = path.display();
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => report.note(AREA, "socket", format_args!("{text}: a server listens there already")),
            Err(_) => report.good(AREA, "socket", text),
        }
    }
}

fn tcp(report: &mut Report, address: SocketAddr) {
    match TcpListener::bind(address) {
        Ok(_) => report.good(AREA, "address", format_args!("ws://{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match crate::cli::healthcheck::healthy(address) {
            true => report.note(
                AREA,
                "address",
                format_args!("ws://{address}: a healthy server listens there already"),
            ),
            false => report.failure(
                AREA,
                "address",
                format_args!("ws://{address} is taken"),
                "another program listens there, or a server that is not healthy",
            ),
        },
        Err(error) => report.failure(
            AREA,
            "address",
            format_args!("ws://{address}: {error}"),
            "a server cannot listen there",
        ),
    }
}
