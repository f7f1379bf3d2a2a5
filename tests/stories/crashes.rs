//! The function's process is stopped or killed.

use std::process::Stdio;
use std::time::Duration;

use local_altinn::Stage;
use rustix::process::{Pid, Signal, kill_process};
use testbed::wire::{Action, Gate};
use tests::{DEADLINE, ROUTE, Story, binaries, permit_alone, posts};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

/// The built functions, with a claim that is soon free again after a crash.
async fn story() -> Story {
    let plan = permit_alone();
    let mut plan = plan
        .setting("STAFETT_LEASE_SECONDS", "6")
        .setting("STAFETT_SETTLE_SECONDS", "1");
    plan.code = binaries().code();
    plan.stack.queue.visibility_timeout = Duration::from_secs(2);
    Story::begin(plan).await
}

/// Relays a permit whose first holder is killed while its request is held as `action` says.
async fn relayed_after_a_kill(action: impl FnOnce(Gate) -> Action) -> Story {
    let story = story().await;
    let gate = Gate::default();
    let rule = story
        .altinn_wire
        .faults()
        .add(posts().nth(1), action(gate.clone()));
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    gate.arrived(1, DEADLINE)
        .await
        .expect("the request is sent");
    signal(&story, Signal::KILL);
    story
        .mapping
        .wait_until(DEADLINE, |it| it.errors == 1)
        .await
        .expect("the process is gone");
    assert_eq!(story.altinn_wire.faults().applied(rule), 1);
    gate.open();
    let item = story.reaches(ROUTE, &a, "done").await;
    // A search before B is quiet may have found nothing yet.
    assert!(item["attempts"].as_u64() >= Some(2), "{item}");
    story.settled().await;
    let b = story.the_b(ROUTE, &a);
    assert_eq!(b.attachments.len(), 1);
    assert!(story.dead_letters(0).await.is_empty());
    story
}

fn signal(story: &Story, signal: Signal) {
    let processes = story.instantiate.processes().expect("it runs in processes");
    let [pid] = processes.pids()[..] else {
        panic!("one process")
    };
    let pid = Pid::from_raw(pid.cast_signed()).expect("a process");
    kill_process(pid, signal).expect("it can be signalled");
}

#[tokio::test]
async fn a_case_whose_maker_was_killed_before_the_answer_is_adopted() {
    let story = relayed_after_a_kill(Action::HoldAfter).await;
    assert_eq!(story.posts().len(), 1);
    assert!(
        story
            .logs()
            .iter()
            .any(|line| line.contains("\"adopted\":true"))
    );
    story.end().await;
}

#[tokio::test]
async fn a_case_whose_maker_was_killed_while_it_asked_is_made_by_the_next() {
    let story = relayed_after_a_kill(Action::HoldBefore).await;
    assert_eq!(story.creations(), 1);
    story.end().await;
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_relay_loses_and_doubles_nothing() {
    let story = story().await;
    let gate = Gate::default();
    story
        .altinn_wire
        .faults()
        .add(posts().nth(1), Action::HoldAfter(gate.clone()));
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    gate.arrived(1, DEADLINE)
        .await
        .expect("the request is sent");
    signal(&story, Signal::TERM);
    gate.open();
    // Whether it is finished before the stop or comes again.
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    story.the_b(ROUTE, &a);
    assert_eq!(story.posts().len(), 1);
    assert!(story.dead_letters(0).await.is_empty());
    story.end().await;
}

#[tokio::test]
async fn an_idle_function_stops_soon_when_it_is_told_to() {
    let story = Story::of_the_permit().await;
    let binaries = binaries();
    for (binary, function) in [
        (&binaries.receive, &story.receive),
        (&binaries.instantiate, &story.instantiate),
    ] {
        // A runtime API that has no work: it never answers.
        let api = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let child = Command::new(binary)
            .env_clear()
            .envs(&function.settings().environment)
            .env(
                "AWS_LAMBDA_RUNTIME_API",
                api.local_addr().expect("an address").to_string(),
            )
            .env("AWS_LAMBDA_FUNCTION_NAME", &function.settings().name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the function can be run");
        let _poll = timeout(DEADLINE, api.accept())
            .await
            .expect("it asks for work");
        let pid = Pid::from_raw(child.id().expect("it runs").cast_signed()).expect("a process");
        kill_process(pid, Signal::TERM).expect("it can be signalled");
        let ended = timeout(Duration::from_secs(2), child.wait_with_output()).await;
        let output = ended
            .expect("it ends within two seconds")
            .expect("its end can be seen");
        use std::os::unix::process::ExitStatusExt;
        let by_signal = output.status.signal() == Some(Signal::TERM.as_raw());
        assert!(
            output.status.success() || by_signal,
            "{binary:?}: {}",
            output.status
        );
        let said = [output.stdout, output.stderr].concat();
        assert_eq!(
            String::from_utf8_lossy(&said),
            "",
            "{binary:?} has nothing to complain about"
        );
    }
}
