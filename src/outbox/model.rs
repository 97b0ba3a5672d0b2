//! Models of flow control. loom runs each with every order of the threads' steps, up to a number of
//! interruptions (`LOOM_MAX_PREEMPTIONS`), and with every value that an atomic load may return.
//!
//! A thread that nobody wakes is a deadlock, which loom reports. CONTRIBUTING.md has the command.

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::flow_control::FlowControl;
use crate::sys::sync::modelled::{Part, leave_out};

/// A flow control that lives as long as the process, because loom cannot drop it after a deadlock.
fn flow_control(limit: usize) -> &'static FlowControl {
    Box::leak(Box::new(FlowControl::new(limit)))
}

fn flag() -> &'static AtomicBool {
    Box::leak(Box::new(AtomicBool::new(false)))
}

/// The dispatcher answers an event. The socket does not take all of the answer, and the drain thread
/// sends the rest.
fn the_rest_of_an_answer_leaves_before_there_is_room() {
    let flow = flow_control(1);
    let has_left = flag();
    flow.add_in_flight(1);
    thread::spawn(move || {
        flow.add_own_unsent(1);
        thread::spawn(move || {
            has_left.store(true, Ordering::Relaxed);
            flow.release_own_unsent(1);
        });
        flow.release_in_flight(1);
    });
    flow.wait_for_room();
    assert!(has_left.load(Ordering::Relaxed), "there is room, but the answer has not left");
}

/// The client sends one message after the other, and each time waits for room. So the waking for the
/// first one may come as late as in the wait for the second.
fn each_of_two_waits_in_a_row_ends() {
    let flow = flow_control(1);
    for _ in 0..2 {
        flow.add_in_flight(1);
        thread::spawn(|| flow.release_in_flight(1));
        flow.wait_for_room();
        assert_eq!(flow.outstanding(), 0);
    }
}

#[test]
fn a_waiter_is_woken_by_the_dispatcher_and_by_the_drain_thread() {
    loom::model(the_rest_of_an_answer_leaves_before_there_is_room);
}

#[test]
fn waits_in_a_row_are_each_woken() {
    loom::model(each_of_two_waits_in_a_row_ends);
}

#[test]
fn after_the_wait_for_idle_every_answer_is_in_the_outbox() {
    loom::model(|| {
        let flow = flow_control(1);
        let is_answered = flag();
        flow.add_in_flight(2);
        thread::spawn(|| flow.release_in_flight(1));
        thread::spawn(|| {
            is_answered.store(true, Ordering::Relaxed);
            flow.release_in_flight(1);
        });
        flow.wait_until_idle();
        assert!(is_answered.load(Ordering::Relaxed), "idle, but an answer is missing");
    });
}

#[test]
fn an_abort_ends_both_waits() {
    loom::model(|| {
        let flow = flow_control(1);
        flow.add_in_flight(2);
        flow.add_own_unsent(1);
        // The dispatcher answers one of two events, and the drain thread finds that the socket is gone.
        thread::spawn(|| flow.release_in_flight(1));
        thread::spawn(|| flow.abort());
        flow.wait_for_room();
        flow.wait_until_idle();
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fences_of_rule_1_a_waking_is_lost() {
    leave_out(Part::Fences);
    loom::model(each_of_two_waits_in_a_row_ends);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_lock_of_rule_2_a_waking_is_lost() {
    leave_out(Part::WaitUntilUnlocked);
    loom::model(each_of_two_waits_in_a_row_ends);
}
