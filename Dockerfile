# syntax=docker/dockerfile:1
# Two base images: Rust to build, slim Debian to run (not distroless: the agent runs shells).

FROM rust:1.95-bookworm AS build
WORKDIR /src
# Dependencies first, on their own layer: they change rarely. An empty crate with our manifest compiles just them.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests/api && echo 'fn main() {}' > src/main.rs && touch src/lib.rs && echo 'fn main() {}' > tests/api/main.rs \
    && cargo build --release --locked --bin greenroom && rm -rf src tests
COPY src src
COPY migrations migrations
COPY config config
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin greenroom && strip --strip-debug -o /greenroom target/release/greenroom

FROM docker.io/library/debian:bookworm-slim AS run
RUN apt-get update \
    && apt-get install -y --no-install-recommends bash ca-certificates git ripgrep tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 greenroom \
    && useradd --uid 10001 --gid greenroom --create-home --shell /bin/bash greenroom \
    && mkdir -p /data /workspace && chown greenroom:greenroom /data /workspace
COPY --from=build /greenroom /usr/local/bin/greenroom
COPY --chmod=755 config/docker-entrypoint.sh /usr/local/bin/greenroom-serve
ENV GREENROOM_HOME=/data SHELL=/bin/bash
USER 10001:10001
WORKDIR /workspace
VOLUME ["/data"]
EXPOSE 4500
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["greenroom", "healthcheck", "--url", "http://127.0.0.1:4500/healthz"]
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/bin/greenroom"]
CMD ["app-server", "--listen", "ws://127.0.0.1:4500"]
