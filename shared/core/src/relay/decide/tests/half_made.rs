//! A half-made B becomes what a clean one is, or goes, or stays and is told of.

use super::*;

/// B answered with a 4xx that is no refusal, and this is found.
fn finds(found: Found) -> Story {
    let mut story = Story::ready(POLICY, 1);
    story.hears_unclear(unclear(Quiet::Now));
    story.searches(vec![found]);
    story
}

/// B refused the draft, and this is found.
fn refuses_and_finds(found: Found) -> Story {
    let mut story = Story::ready(POLICY, 1);
    story.hears_unclear(refused());
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

/// It has its form, and its process never started.
fn never_started() -> Found {
    lacking(Lacks {
        start: true,
        ..Lacks::default()
    })
}

/// It has nothing.
fn empty() -> Found {
    lacking(Lacks {
        form: true,
        attachments: 2,
        copies: true,
        start: true,
    })
}

fn add_form() -> Step {
    Step::AddForm(instance(1))
}

fn delete() -> Step {
    Step::Delete(instance(1))
}

fn finish() -> Step {
    Step::Finish(instance(1))
}

fn resume() -> Step {
    Step::Resume(instance(1))
}

/// The relay ends with a half-made B that stays, and whoever redrives searches first.
#[track_caller]
fn leaves_orphan(mut story: Story) {
    let (failed, _) = story.writes();
    assert_eq!(
        (failed.state, failed.reason),
        (State::Failed, Some(Reason::OrphanLeft))
    );
    let sent = failed.sent.expect("the request stays on record");
    story.ends(Verdict::GiveUp);
    let redriven = Story::over(POLICY, 1, sent.quiet, failed);
    assert!(matches!(redriven.step(), Step::Search { .. }));
}

/// The relay ends with a B that lacks something for good.
#[track_caller]
fn is_incomplete(mut story: Story, lacks: &str) {
    let (done, _) = story.writes();
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
    story.ends(Verdict::Acknowledge);
    assert!(story.attempt.has_adopted());
}

/// The relay ends with a B as a clean one is.
#[track_caller]
fn is_complete(mut story: Story) {
    let (done, _) = story.writes();
    assert_eq!(
        (done.state, done.reason, done.instance, done.sent),
        (State::Done, None, Some(instance(1)), None)
    );
    story.ends(Verdict::Acknowledge);
    assert!(story.attempt.has_adopted());
}

#[test]
fn what_b_lacks_is_added() {
    let copies = lacking(Lacks {
        copies: true,
        ..Lacks::default()
    });
    for found in [half(1), copies] {
        let mut story = finds(found);
        story.hears(finish(), Evidence::Worked);
        is_complete(story);
    }
}

#[test]
fn the_form_is_added_before_anything_else() {
    let mut story = finds(without_form());
    story.hears(add_form(), Evidence::Worked);
    story.hears(finish(), Evidence::Worked);
    is_complete(story);
}

#[test]
fn a_form_that_b_refuses_fails_the_relay_and_what_was_made_goes() {
    for found in [without_form(), empty()] {
        let mut story = finds(found);
        story.hears(add_form(), Evidence::Refused(problem(Reason::Refused)));
        story.hears(delete(), Evidence::Worked);
        story.searches(vec![]);
        let (failed, _) = story.writes();
        assert_eq!(
            (failed.state, failed.reason, failed.sent),
            (State::Failed, Some(Reason::Refused), None)
        );
        assert_eq!(failed.detail.as_deref(), Some("why"));
        story.ends(Verdict::GiveUp);
    }
}

#[test]
fn a_form_that_b_refuses_leaves_an_orphan_that_may_not_be_deleted() {
    let mut story = finds(without_form());
    story.hears(add_form(), Evidence::Refused(problem(Reason::Refused)));
    story.hears(delete(), Evidence::Denied);
    leaves_orphan(story);
}

#[test]
fn an_orphan_of_a_refused_draft_is_deleted_and_gets_no_form() {
    for found in [without_form(), half(1), empty()] {
        let mut story = refuses_and_finds(found);
        story.hears(delete(), Evidence::Worked);
        story.searches(vec![]);
        let (failed, _) = story.writes();
        assert_eq!(
            (failed.state, failed.reason, failed.sent),
            (State::Failed, Some(Reason::Refused), None)
        );
        story.ends(Verdict::GiveUp);
    }
    let mut kept = refuses_and_finds(half(1));
    kept.hears(delete(), Evidence::Denied);
    leaves_orphan(kept);
}

/// Each half-made B as one that somebody has worked on.
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
fn what_somebody_has_touched_or_ended_is_never_deleted() {
    for found in [half(1), without_form(), never_started(), empty()] {
        for found in worked_on(&found) {
            leaves_orphan(refuses_and_finds(found.clone()));
            let adds_form = found.lacks.form && !found.ended;
            if adds_form {
                let mut story = finds(found.clone());
                story.hears(add_form(), Evidence::Refused(problem(Reason::Refused)));
                leaves_orphan(story);
            }
            let mut story = finds(found);
            if adds_form {
                story.hears(add_form(), Evidence::Worked);
            }
            assert_eq!(story.step(), finish());
        }
    }
}

#[test]
fn an_ended_b_is_adopted_as_it_is_unless_it_has_no_form() {
    let ended = |found| Found {
        ended: true,
        ..found
    };
    let mut half_ended = finds(ended(half(1)));
    half_ended.hears(finish(), Evidence::Denied);
    is_incomplete(half_ended, "B lacks an attachment");

    let mut formless = finds(ended(without_form()));
    formless.hears(finish(), Evidence::Denied);
    leaves_orphan(formless);
}

#[test]
fn a_form_that_cannot_be_added_leaves_an_orphan_where_nothing_else_helps() {
    let mut story = finds(without_form());
    story.hears(add_form(), Evidence::Denied);
    story.hears(finish(), Evidence::Denied);
    leaves_orphan(story);
}

#[test]
fn a_b_that_never_started_is_deleted_and_made_anew() {
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
    story.hears(delete(), Evidence::Worked);
    story.searches(vec![gone.clone()]);
    story.answers(Answer::Created(instance(2)));
    let (done, _) = story.writes();
    assert_eq!(
        (done.state, done.instance, done.sent),
        (State::Done, Some(instance(2)), None)
    );

    // B has just said to come later: so does the message.
    let mut busy = finds(never_started());
    busy.hears(delete(), Evidence::Worked);
    busy.searches(vec![gone]);
    let (waiting, _) = busy.writes();
    assert_eq!((waiting.state, waiting.sent), (State::Waiting, None));
    busy.ends_again();
}

#[test]
fn a_b_without_form_and_start_gets_its_form_before_it_is_made_anew() {
    let mut story = finds(empty());
    story.hears(add_form(), Evidence::Worked);
    assert_eq!(story.step(), delete());
}

#[test]
fn a_b_that_never_started_and_may_not_be_deleted_is_finished_and_told_of() {
    let mut story = finds(never_started());
    story.hears(delete(), Evidence::Denied);
    story.hears(finish(), Evidence::Worked);
    is_incomplete(story, "B lacks the start of its process");

    let [touched, _] = worked_on(&never_started());
    let mut story = finds(touched);
    story.hears(finish(), Evidence::Worked);
    is_incomplete(story, "B lacks the start of its process");
}

#[test]
fn what_b_lacks_for_good_stays_on_record_through_the_after_steps() {
    let mut story = Story::ready(AFTER_STEPS, 1);
    story.hears_unclear(unclear(Quiet::Now));
    story.searches(vec![never_started()]);
    story.hears(delete(), Evidence::Denied);
    story.hears(finish(), Evidence::Worked);
    let (created, _) = story.writes();
    assert_eq!(
        (created.state, created.reason),
        (State::Created, Some(Reason::Incomplete))
    );
    let trouble = Evidence::Trouble(problem(Reason::AfterStepUnavailable));
    story.hears(Step::AfterSteps, trouble);
    let (left, _) = story.writes();
    assert_eq!(left.reason, Some(Reason::Incomplete));

    let mut again = Story::of(AFTER_STEPS, 2);
    again.meets(left);
    again.hears(Step::AfterSteps, Evidence::Worked);
    let (done, _) = again.writes();
    assert_eq!(
        (done.state, done.reason),
        (State::Done, Some(Reason::Incomplete))
    );
}

#[test]
fn nothing_is_done_about_a_half_made_b_before_its_app_is_quiet() {
    let stopped = Found {
        engine: Engine::Stopped,
        ..whole(1)
    };
    for found in [half(1), without_form(), never_started(), empty(), stopped] {
        let waiting = Record {
            sent: Some(lost()),
            ..seen(State::Waiting)
        };
        let mut story = Story::over(POLICY, 2, lost().quiet - CLOCK_MARGIN, waiting);
        story.searches(vec![found]);
        let (waiting, _) = story.writes();
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
    story.hears_unclear(unclear(Quiet::Now));
    story.searches(vec![younger, half(2)]);
    assert_eq!(story.step(), Step::Finish(instance(2)));
    assert!(!story.attempt.is_doubled());
}

#[test]
fn an_engine_at_work_is_waited_for() {
    let working = Found {
        engine: Engine::Working,
        ..whole(1)
    };
    let mut story = finds(working.clone());
    let (waiting, _) = story.writes();
    assert_eq!(
        (waiting.state, waiting.reason),
        (State::Waiting, Some(Reason::OutcomeUnknown))
    );
    assert!(waiting.sent.is_some(), "nothing may be sent meanwhile");
    story.ends_again();

    let mut refused = refuses_and_finds(working.clone());
    assert_eq!(refused.writes().0.state, State::Waiting);

    let mut last = Story::ready(POLICY, MAX_RECEIVES);
    last.hears_unclear(unclear(Quiet::Now));
    last.searches(vec![working]);
    let (failed, _) = last.writes();
    assert!(failed.state == State::Failed && failed.sent.is_some());
    last.ends(Verdict::GiveUp);
}

#[test]
fn an_engine_that_has_stopped_is_told_to_go_on_once() {
    let stopped = Found {
        engine: Engine::Stopped,
        ..whole(1)
    };
    let mut goes_on = finds(stopped.clone());
    goes_on.hears(resume(), Evidence::Worked);
    goes_on.searches(vec![whole(1)]);
    is_complete(goes_on);

    let working = Found {
        engine: Engine::Working,
        ..whole(1)
    };
    for (found, told) in [
        (stopped.clone(), "has stopped again"),
        (working, "is still at work"),
    ] {
        let mut stops_again = finds(stopped.clone());
        stops_again.hears(resume(), Evidence::Worked);
        stops_again.searches(vec![found]);
        let (waiting, _) = stops_again.writes();
        assert!(waiting.state == State::Waiting && waiting.sent.is_some());
        let detail = waiting.detail.unwrap();
        assert!(detail.contains(told), "{detail}");
        stops_again.ends_again();
    }
}

/// A change of a half-made B of which nobody heard: it may still come about.
#[test]
fn a_change_without_an_answer_is_searched_for_when_b_is_quiet() {
    let stopped = Found {
        engine: Engine::Stopped,
        ..whole(1)
    };
    for (found, step) in [
        (without_form(), add_form()),
        (never_started(), delete()),
        (half(1), finish()),
        (stopped, resume()),
    ] {
        for (quiet, seconds) in [(Quiet::Now, 0), (Quiet::Soon, 60), (Quiet::Settled, 1_200)] {
            let mut story = finds(found.clone());
            story.now = moment(3);
            let unclear = Evidence::Unclear(problem(Reason::TargetUnavailable), quiet);
            story.hears(step.clone(), unclear);
            let (waiting, _) = story.writes();
            let sent = Sent {
                from: moment(0),
                ended: moment(3),
                quiet: moment(3 + seconds),
            };
            assert_eq!(
                (waiting.state, waiting.sent, waiting.reason),
                (State::Waiting, Some(sent), Some(Reason::TargetUnavailable))
            );
            assert!(story.ends_again() >= Duration::from_secs(seconds.unsigned_abs()));
            let again = Story::over(POLICY, 2, sent.quiet, waiting);
            assert!(matches!(again.step(), Step::Search { .. }));
        }
    }
    let mut last = Story::ready(POLICY, MAX_RECEIVES);
    last.hears_unclear(unclear(Quiet::Now));
    last.searches(vec![half(1)]);
    let unclear = Evidence::Unclear(problem(Reason::TargetUnavailable), Quiet::Settled);
    last.hears(finish(), unclear);
    let (failed, _) = last.writes();
    assert!(failed.state == State::Failed && failed.sent.is_some());
    last.ends(Verdict::GiveUp);
}

#[test]
fn too_little_lease_for_a_change_leaves_it_to_the_next_delivery() {
    for found in [half(1), without_form(), never_started()] {
        let mut story = finds(found);
        story.now = moment(54);
        let (waiting, _) = story.writes();
        assert_eq!(
            (waiting.state, waiting.reason),
            (State::Waiting, Some(Reason::OutOfTime))
        );
        assert!(waiting.sent.is_some(), "the next delivery searches first");
        story.ends_again();
    }
}
