//! A half-made B is completed, or deleted, or stays and is reported.

use super::*;

/// B answered with a 4xx that refuses nothing, and the search finds this.
fn finds(found: Found) -> Story {
    let mut story = Story::ready(POLICY, 1);
    story.creates_unclear(unclear(Quiet::Now));
    story.searches(vec![found]);
    story
}

/// B refused the draft, and the search finds this.
fn refuses_and_finds(found: Found) -> Story {
    let mut story = Story::ready(POLICY, 1);
    story.creates_unclear(refused());
    story.searches(vec![found]);
    story
}

fn lacking(lacks: Lacks) -> Found {
    Found { lacks, ..whole(1) }
}

fn without_form() -> Found {
    lacking(Lacks {
        form: true,
        ..Lacks::default()
    })
}

/// A B that has its form, and whose process never started.
fn never_started() -> Found {
    lacking(Lacks {
        start: true,
        ..Lacks::default()
    })
}

/// A B that has nothing.
fn empty() -> Found {
    lacking(Lacks {
        form: true,
        attachments: 2,
        copies: true,
        start: true,
    })
}

fn finished() -> FinishOutcome {
    FinishOutcome::Finished {
        missing: Lacks::default(),
    }
}

fn form_refused() -> AddFormOutcome {
    AddFormOutcome::Refused(failure(Reason::Refused))
}

fn stopped() -> Found {
    Found {
        engine: Engine::Stopped,
        ..whole(1)
    }
}

fn working() -> Found {
    Found {
        engine: Engine::Working,
        ..whole(1)
    }
}

/// The relay fails, a half-made B stays, and a redriven relay searches first.
#[track_caller]
fn leaves_orphan(mut story: Story) {
    let (failed, _) = story.records();
    assert_eq!(
        (failed.state, failed.reason),
        (State::Failed, Some(Reason::OrphanLeft))
    );
    let sent = failed.sent.expect("the request stays on record");
    story.ends(Disposition::GiveUp);
    let redriven = Story::over(POLICY, 1, sent.quiet, failed);
    redriven.is_to_search();
}

/// The relay is done, and B lacks something for good.
#[track_caller]
fn is_incomplete(mut story: Story, lacks: &str) {
    let (done, _) = story.records();
    assert_eq!(
        (done.state, done.reason, done.instance, done.sent),
        (
            State::Done,
            Some(Reason::Incomplete),
            Some(instance(1)),
            None
        )
    );
    let detail = done.detail.unwrap();
    assert!(detail.starts_with(lacks), "{detail}");
    story.ends(Disposition::Acknowledge);
    assert!(story.end().adopted);
}

/// The relay is done, and B is complete.
#[track_caller]
fn is_complete(mut story: Story) {
    let (done, _) = story.records();
    assert_eq!(
        (done.state, done.reason, done.instance, done.sent),
        (State::Done, None, Some(instance(1)), None)
    );
    story.ends(Disposition::Acknowledge);
    assert!(story.end().adopted);
}

#[test]
fn whatever_b_lacks_is_added() {
    let copies = lacking(Lacks {
        copies: true,
        ..Lacks::default()
    });
    for found in [half(1), copies] {
        let mut story = finds(found);
        story.finishes(finished());
        is_complete(story);
    }
}

#[test]
fn the_form_is_added_before_anything_else() {
    let mut story = finds(without_form());
    story.adds_form(AddFormOutcome::Added);
    story.finishes(finished());
    is_complete(story);
}

#[test]
fn a_form_that_b_refuses_fails_the_relay_and_the_half_made_b_is_deleted() {
    for found in [without_form(), empty()] {
        let mut story = finds(found);
        story.adds_form(form_refused());
        story.deletes(DeleteOutcome::Deleted);
        story.searches(vec![]);
        let (failed, _) = story.records();
        assert_eq!(
            (failed.state, failed.reason, failed.sent),
            (State::Failed, Some(Reason::Refused), None)
        );
        assert_eq!(failed.detail.as_deref(), Some("why"));
        story.ends(Disposition::GiveUp);
    }
}

#[test]
fn a_form_that_b_refuses_leaves_an_orphan_where_we_may_not_delete_it() {
    let mut story = finds(without_form());
    story.adds_form(form_refused());
    story.deletes(DeleteOutcome::Denied);
    leaves_orphan(story);
}

#[test]
fn an_orphan_of_a_refused_draft_is_deleted_and_gets_no_form() {
    for found in [without_form(), half(1), empty()] {
        let mut story = refuses_and_finds(found);
        story.deletes(DeleteOutcome::Deleted);
        story.searches(vec![]);
        let (failed, _) = story.records();
        assert_eq!(
            (failed.state, failed.reason, failed.sent),
            (State::Failed, Some(Reason::Refused), None)
        );
        story.ends(Disposition::GiveUp);
    }
    let mut kept = refuses_and_finds(half(1));
    kept.deletes(DeleteOutcome::Denied);
    leaves_orphan(kept);
}

/// This half-made B after somebody has worked on it.
fn worked_on(found: &Found) -> [Found; 2] {
    let touched = Found {
        touched: true,
        ..found.clone()
    };
    let ended = Found {
        ended: true,
        ..found.clone()
    };
    [touched, ended]
}

#[test]
fn a_b_that_somebody_has_changed_or_ended_is_never_deleted() {
    for found in [half(1), without_form(), never_started(), empty()] {
        for found in worked_on(&found) {
            leaves_orphan(refuses_and_finds(found.clone()));
            let adds_form = found.lacks.form && !found.ended;
            if adds_form {
                let mut story = finds(found.clone());
                story.adds_form(form_refused());
                leaves_orphan(story);
            }
            let mut story = finds(found);
            if adds_form {
                story.adds_form(AddFormOutcome::Added);
            }
            next!(story, Finish);
        }
    }
}

#[test]
fn an_ended_b_is_adopted_as_it_is_if_it_has_a_form() {
    let ended = |found| Found {
        ended: true,
        ..found
    };
    let mut half_ended = finds(ended(half(1)));
    half_ended.finishes(FinishOutcome::Denied);
    is_incomplete(half_ended, "B lacks an attachment");

    let mut formless = finds(ended(without_form()));
    formless.finishes(FinishOutcome::Denied);
    leaves_orphan(formless);
}

#[test]
fn a_form_that_cannot_be_added_leaves_an_orphan() {
    let mut story = finds(without_form());
    story.adds_form(AddFormOutcome::Denied);
    story.finishes(FinishOutcome::Denied);
    leaves_orphan(story);
}

#[test]
fn a_b_that_never_started_is_deleted_and_another_created() {
    let gone = Found {
        gone: true,
        ..never_started()
    };
    let waiting = Record {
        sent: Some(lost()),
        ..seen(State::Waiting)
    };
    let mut story = Story::over(POLICY, 2, lost().quiet, waiting);
    story.searches(vec![never_started()]);
    story.deletes(DeleteOutcome::Deleted);
    story.searches(vec![gone.clone()]);
    story.creates(CreateOutcome::Created(instance(2)));
    let (done, _) = story.records();
    assert_eq!(
        (done.state, done.instance, done.sent),
        (State::Done, Some(instance(2)), None)
    );

    // B has just been asked, and gave another answer than a refusal: the message comes again.
    let mut busy = finds(never_started());
    busy.deletes(DeleteOutcome::Deleted);
    busy.searches(vec![gone]);
    let (waiting, _) = busy.records();
    assert_eq!((waiting.state, waiting.sent), (State::Waiting, None));
    busy.ends_again();
}

#[test]
fn a_b_without_form_and_start_gets_its_form_before_it_is_deleted() {
    let mut story = finds(empty());
    story.adds_form(AddFormOutcome::Added);
    next!(story, Delete);
}

#[test]
fn a_b_that_never_started_and_may_not_be_deleted_is_finished_and_reported() {
    let mut story = finds(never_started());
    story.deletes(DeleteOutcome::Denied);
    story.finishes(finished());
    is_incomplete(story, "B lacks the start of its process");

    let [touched, _] = worked_on(&never_started());
    let mut story = finds(touched);
    story.finishes(finished());
    is_incomplete(story, "B lacks the start of its process");
}

#[test]
fn what_b_lacks_for_good_stays_on_record_after_the_after_steps() {
    let mut story = Story::ready(AFTER_STEPS, 1);
    story.creates_unclear(unclear(Quiet::Now));
    story.searches(vec![never_started()]);
    story.deletes(DeleteOutcome::Denied);
    story.finishes(finished());
    let (created, _) = story.records();
    assert_eq!(
        (created.state, created.reason),
        (State::Created, Some(Reason::Incomplete))
    );
    story.follows_up(Err(failure(Reason::AfterStepUnavailable)));
    let (left, _) = story.records();
    assert_eq!(left.reason, Some(Reason::Incomplete));

    let mut again = Story::of(AFTER_STEPS, 2);
    again.now = moment(10);
    again.meets(left);
    again.follows_up(Ok(()));
    let (done, _) = again.records();
    assert_eq!(
        (done.state, done.reason),
        (State::Done, Some(Reason::Incomplete))
    );
}

#[test]
fn a_half_made_b_is_left_alone_until_its_app_is_quiet() {
    for found in [half(1), without_form(), never_started(), empty(), stopped()] {
        let waiting = Record {
            sent: Some(lost()),
            ..seen(State::Waiting)
        };
        let mut story = Story::over(POLICY, 2, lost().quiet - CLOCK_MARGIN, waiting);
        story.searches(vec![found]);
        let (waiting, _) = story.records();
        assert_eq!(
            (waiting.state, waiting.sent),
            (State::Waiting, Some(lost()))
        );
        story.ends_again();
    }
}

#[test]
fn the_oldest_of_several_half_made_b_is_repaired() {
    let younger = Found {
        created: Some(moment(9)),
        ..half(1)
    };
    let mut story = Story::ready(POLICY, 1);
    story.creates_unclear(unclear(Quiet::Now));
    story.searches(vec![younger, half(2)]);
    assert_eq!(next!(story, Finish).half.id, instance(2));
    story.finishes(finished());
    story.records();
    assert!(!story.end().doubled);
}

#[test]
fn a_relay_waits_while_the_engine_works() {
    let mut story = finds(working());
    let (waiting, _) = story.records();
    assert_eq!(
        (waiting.state, waiting.reason),
        (State::Waiting, Some(Reason::OutcomeUnknown))
    );
    assert!(waiting.sent.is_some(), "nothing may be sent meanwhile");
    story.ends_again();

    let mut refused = refuses_and_finds(working());
    assert_eq!(refused.records().0.state, State::Waiting);

    let mut last = Story::ready(POLICY, MAX_ATTEMPTS);
    last.creates_unclear(unclear(Quiet::Now));
    last.searches(vec![working()]);
    let (failed, _) = last.records();
    assert!(failed.state == State::Failed && failed.sent.is_some());
    last.ends(Disposition::GiveUp);
}

#[test]
fn a_stopped_engine_is_told_to_continue_once() {
    let mut goes_on = finds(stopped());
    goes_on.resumes(ResumeOutcome::Resumed);
    goes_on.searches(vec![whole(1)]);
    is_complete(goes_on);

    for (found, told) in [
        (stopped(), "has stopped again"),
        (working(), "is still at work"),
    ] {
        let mut stops_again = finds(stopped());
        stops_again.resumes(ResumeOutcome::Resumed);
        stops_again.searches(vec![found]);
        let (waiting, _) = stops_again.records();
        assert!(waiting.state == State::Waiting && waiting.sent.is_some());
        let detail = waiting.detail.unwrap();
        assert!(detail.contains(told), "{detail}");
        stops_again.ends_again();
    }
}

/// A change without an answer may still take effect.
#[test]
fn a_half_made_b_is_searched_for_again_when_it_is_quiet_after_an_unanswered_change() {
    type Change = fn(&mut Story, Failure, Quiet);
    let changes: [(Found, Change); 4] = [
        (without_form(), |story, failure, quiet| {
            story.adds_form(AddFormOutcome::Unclear(failure, quiet));
        }),
        (never_started(), |story, failure, quiet| {
            story.deletes(DeleteOutcome::Unclear(failure, quiet));
        }),
        (half(1), |story, failure, quiet| {
            story.finishes(FinishOutcome::Unclear(failure, quiet));
        }),
        (stopped(), |story, failure, quiet| {
            story.resumes(ResumeOutcome::Unclear(failure, quiet));
        }),
    ];
    for (found, change) in changes {
        for (quiet, seconds) in [(Quiet::Now, 0), (Quiet::Soon, 60), (Quiet::Settled, 1_200)] {
            let mut story = finds(found.clone());
            story.now = moment(3);
            change(&mut story, failure(Reason::TargetUnavailable), quiet);
            let (waiting, _) = story.records();
            // A change creates nothing, so that it only moves the moment from which B is quiet.
            let sent = Sent {
                from: moment(0),
                ended: moment(0),
                quiet: moment(3 + seconds),
            };
            assert_eq!(
                (waiting.state, waiting.sent, waiting.reason),
                (State::Waiting, Some(sent), Some(Reason::TargetUnavailable))
            );
            assert!(story.ends_again() >= Duration::from_secs(seconds.unsigned_abs()));
            let again = Story::over(POLICY, 2, sent.quiet, waiting);
            again.is_to_search();
        }
    }
    let mut last = Story::ready(POLICY, MAX_ATTEMPTS);
    last.creates_unclear(unclear(Quiet::Now));
    last.searches(vec![half(1)]);
    let unknown = failure(Reason::TargetUnavailable);
    last.finishes(FinishOutcome::Unclear(unknown, Quiet::Settled));
    let (failed, _) = last.records();
    assert!(failed.state == State::Failed && failed.sent.is_some());
    last.ends(Disposition::GiveUp);
}

#[test]
fn too_little_lease_for_a_change_leaves_it_to_the_next_delivery() {
    for found in [half(1), without_form(), never_started()] {
        let mut story = finds(found);
        story.now = moment(54);
        let (waiting, _) = story.records();
        assert_eq!(
            (waiting.state, waiting.reason),
            (State::Waiting, Some(Reason::OutOfTime))
        );
        assert!(waiting.sent.is_some(), "the next delivery searches first");
        story.ends_again();
    }
}
