use super::*;
use crate::protocol::methods::Global;

fn gate() -> Arc<Gate> {
    Arc::new(Gate::new(8, Arc::default()))
}

fn enter(supervisor: &SupervisorHandle, access: Access, gate: &Arc<Gate>) -> oneshot::Receiver<LanePermit> {
    let (start, started) = oneshot::channel();
    let request = Enter {
        key: LaneKey::Global(Global::Config),
        access,
        gate: gate.clone(),
        start,
        mail: WaitingMail::new(&Arc::default()),
    };
    supervisor.try_send(request).expect("room in the mailbox");
    started
}

/// Resolves when the supervisor has handled everything sent before.
async fn settled(supervisor: &SupervisorHandle) {
    for _ in 0..3 {
        let nobody = Supervise {
            name: "nobody",
            start: Box::new(|| {}),
        };
        supervisor
            .present()
            .expect("one that sits")
            .call(nobody)
            .await
            .expect("alive");
    }
}

#[actix_rt::test]
async fn writes_take_turns_and_reads_share_one() {
    let load = Arc::new(Load::default());
    let supervisor = Supervisor::launch(load.clone());
    let gate = gate();
    let first = enter(&supervisor, Access::Exclusive, &gate)
        .await
        .expect("runs at once");
    let mut reads = [Access::Shared; 2].map(|access| enter(&supervisor, access, &gate));
    let mut last = enter(&supervisor, Access::Exclusive, &gate);
    settled(&supervisor).await;
    assert!(reads.iter_mut().all(|read| read.try_recv().is_err()));
    assert_eq!((load.lanes.now(), load.lane_depth.now()), (1, 3));

    drop(first);
    let [one, two] = reads;
    let (one, two) = (one.await.expect("its turn"), two.await.expect("beside it"));
    drop(one);
    settled(&supervisor).await;
    assert!(last.try_recv().is_err(), "a read still runs");
    drop(two);
    drop(last.await.expect("its turn"));
    settled(&supervisor).await;
    assert_eq!((load.lanes.now(), load.lane_depth.now()), (0, 0));
}

#[actix_rt::test]
async fn requests_of_an_ended_connection_are_skipped() {
    let load = Arc::new(Load::default());
    let supervisor = Supervisor::launch(load.clone());
    let (here, gone) = (gate(), gate());
    let first = enter(&supervisor, Access::Exclusive, &here)
        .await
        .expect("runs at once");
    let skipped = enter(&supervisor, Access::Exclusive, &gone);
    let after = enter(&supervisor, Access::Exclusive, &here);
    settled(&supervisor).await;
    gone.close();
    drop(first);
    assert!(skipped.await.is_err());
    drop(after.await.expect("not held up"));
}

#[actix_rt::test]
async fn a_request_given_up_while_it_starts_frees_its_lane() {
    let supervisor = Supervisor::launch(Arc::default());
    let gate = gate();
    let first = enter(&supervisor, Access::Exclusive, &gate)
        .await
        .expect("runs at once");
    drop(enter(&supervisor, Access::Exclusive, &gate));
    let after = enter(&supervisor, Access::Exclusive, &gate);
    drop(first);
    drop(after.await.expect("not held up"));
}

#[actix_rt::test]
async fn a_fallen_child_starts_again_until_it_fell_too_often() {
    let supervisor = Supervisor::launch(Arc::default());
    let (started, mut starts) = mpsc::unbounded_channel();
    let child = Supervise {
        name: "child",
        start: Box::new(move || started.send(()).unwrap_or_default()),
    };
    supervisor
        .present()
        .expect("one that sits")
        .call(child)
        .await
        .expect("alive");
    for _ in 0..RESTARTS {
        supervisor
            .present()
            .expect("one that sits")
            .call(ChildStopped { name: "child" })
            .await
            .expect("alive");
        assert!(starts.recv().await.is_some());
    }
    supervisor
        .present()
        .expect("one that sits")
        .call(ChildStopped { name: "child" })
        .await
        .expect("alive");
    supervisor
        .present()
        .expect("one that sits")
        .call(ChildStopped { name: "stranger" })
        .await
        .expect("alive");
    tokio::time::sleep(FIRST_BACKOFF * 64).await;
    assert!(starts.try_recv().is_err(), "it stays down");
}

/// A fault that nothing contains.
#[derive(Message)]
#[rtype(result = "()")]
struct Fault;

impl Handler<Fault> for Supervisor {
    type Result = ();

    fn handle(&mut self, _fault: Fault, _ctx: &mut Self::Context) {
        panic!("as asked");
    }
}

/// Resolves when a fallen supervisor has been followed by another.
async fn followed(supervisor: &SupervisorHandle) {
    supervisor.try_send(Fault).expect("one that sits");
    while supervisor.present().is_none_or(|present| present.is_alive()) {
        tokio::task::yield_now().await;
    }
    while !supervisor.present().is_some_and(|present| present.is_alive()) {
        tokio::time::sleep(FIRST_BACKOFF).await;
    }
}

#[actix_rt::test]
async fn a_fallen_supervisor_is_followed_by_one_that_knows_its_lanes() {
    let load = Arc::new(Load::default());
    let supervisor = Supervisor::launch(load.clone());
    let gate = gate();
    let running = enter(&supervisor, Access::Exclusive, &gate)
        .await
        .expect("runs at once");
    let mut waiting = enter(&supervisor, Access::Exclusive, &gate);
    settled(&supervisor).await;
    followed(&supervisor).await;
    let mut last = enter(&supervisor, Access::Exclusive, &gate);
    settled(&supervisor).await;
    assert!(waiting.try_recv().is_err(), "the first still runs");
    assert_eq!((load.lanes.now(), load.lane_depth.now()), (1, 2));

    drop(running);
    let waiting = waiting.await.expect("its turn");
    settled(&supervisor).await;
    assert!(last.try_recv().is_err());
    followed(&supervisor).await;
    drop(waiting);
    drop(last.await.expect("its turn, after a second fall"));
}

#[actix_rt::test]
async fn a_lane_that_is_left_while_nobody_sits_is_free_afterwards() {
    let supervisor = Supervisor::launch(Arc::default());
    let gate = gate();
    let running = enter(&supervisor, Access::Exclusive, &gate)
        .await
        .expect("runs at once");
    let waiting = enter(&supervisor, Access::Exclusive, &gate);
    settled(&supervisor).await;
    supervisor.try_send(Fault).expect("one that sits");
    let lost = enter(&supervisor, Access::Exclusive, &gate);
    drop(running);
    assert!(lost.await.is_err(), "mail of a fallen supervisor is not kept back");
    drop(waiting.await.expect("its turn"));
}

#[actix_rt::test]
async fn children_that_fall_while_nobody_sits_start_again() {
    let supervisor = Supervisor::launch(Arc::default());
    let (started, mut starts) = mpsc::unbounded_channel();
    let child = Supervise {
        name: "child",
        start: Box::new(move || started.send(()).unwrap_or_default()),
    };
    supervisor.try_send(child).expect("one that sits");
    supervisor.try_send(Fault).expect("one that sits");
    supervisor.child_stopped("child");
    assert!(starts.recv().await.is_some());
    settled(&supervisor).await;
    assert!(supervisor.0.down().is_empty());
}
