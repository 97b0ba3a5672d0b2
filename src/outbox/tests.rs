//! The outbox by itself: bytes go in, and come out into memory, without a socket.

use super::memory::{DEADLINE, Memory, drainer};
use super::*;
use crate::config::{MAX_DRAIN_THREADS, MESSAGE_OVERHEAD};
use crate::sys::threads::Threads;

const LIMIT: usize = 100;

fn outbox(transport: &Arc<Memory>) -> (Arc<Outbox>, Arc<Threads>) {
    let threads = Arc::new(Threads::default());
    let outbox = Outbox::new(
        Arc::clone(transport) as _,
        drainer(&threads),
        Arc::default(),
        ConnectionId(1),
        LIMIT,
    );
    (outbox, threads)
}

fn bytes(length: usize, fill: u8) -> Bytes {
    Bytes::from(vec![fill; length])
}

#[test]
fn bytes_that_fit_leave_at_once_without_a_thread() {
    let memory = Memory::unlimited();
    let (outbox, threads) = outbox(&memory);
    assert_eq!(outbox.send(&[bytes(3, 1), bytes(2, 2)], Cause::Others), SendOutcome::Accepted);
    assert_eq!(memory.sent(), [1, 1, 1, 2, 2]);
    assert_eq!((memory.sends(), outbox.bytes_out(), threads.live()), (1, 5, 0));
}

#[test]
fn bytes_that_do_not_fit_leave_later_in_order_and_complete() {
    let memory = Memory::with_room(10);
    let (outbox, threads) = outbox(&memory);
    let mut expected = Vec::new();
    for n in 0..50 {
        let piece = bytes(7, n);
        expected.extend_from_slice(&piece);
        assert_eq!(outbox.send(&[piece], Cause::Own), SendOutcome::Accepted);
    }
    assert_eq!(threads.live(), 1, "one drain thread");
    for _ in 0..expected.len() {
        memory.give_room(1);
    }
    assert_eq!(memory.wait_for(expected.len()), expected);
    threads.wait_for_all();
    assert!(!outbox.has_backlog());
    // The next one goes to the socket at once again.
    memory.give_room(1);
    outbox.send(&[bytes(1, 9)], Cause::Own);
    assert_eq!(threads.live(), 0);
}

#[test]
fn bytes_of_others_are_refused_once_the_unsent_ones_reach_the_limit() {
    let memory = Memory::with_room(0);
    let (outbox, threads) = outbox(&memory);
    // Nothing is unsent yet, so even a message larger than the limit is accepted.
    assert_eq!(outbox.send(&[bytes(3 * LIMIT, 1)], Cause::Others), SendOutcome::Accepted);
    assert_eq!(outbox.send(&[bytes(1, 2)], Cause::Others), SendOutcome::BacklogFull);
    // The limit for the bytes of others does not apply to its own answers.
    assert_eq!(outbox.send(&[bytes(LIMIT, 3)], Cause::Own), SendOutcome::Accepted);
    memory.give_room(3 * LIMIT);
    memory.wait_for(3 * LIMIT);
    while outbox.send(&[bytes(1, 4)], Cause::Others) == SendOutcome::BacklogFull {
        std::thread::yield_now();
    }
    memory.give_room(10 * LIMIT);
    assert_eq!(memory.wait_for(4 * LIMIT + 1).last(), Some(&4));
    threads.wait_for_all();
}

#[test]
fn a_client_is_not_too_slow_because_of_its_own_bytes() {
    let memory = Memory::with_room(0);
    let (outbox, threads) = outbox(&memory);
    outbox.send(&[bytes(5 * LIMIT, 1)], Cause::Own);
    assert_eq!(outbox.send(&[bytes(1, 2)], Cause::Others), SendOutcome::Accepted);
    outbox.abort(AbortReason::TooSlow);
    threads.wait_for_all();
}

#[test]
fn the_clients_thread_waits_while_its_own_answers_are_unsent() {
    let memory = Memory::with_room(0);
    let (outbox, threads) = outbox(&memory);
    outbox.wait_for_room();
    outbox.add_in_flight(LIMIT);
    let (waited, done) = crossbeam_channel::bounded(1);
    let waiter = Arc::clone(&outbox);
    threads
        .spawn("conn 1".to_owned(), 64 * 1024, move || {
            waiter.wait_for_room();
            waited.send(()).unwrap();
        })
        .unwrap();
    while !outbox.flow_control.is_waiting() {
        std::thread::yield_now();
    }
    // The dispatcher has answered, but the answer does not leave.
    outbox.send(&[bytes(LIMIT, 1)], Cause::Own);
    outbox.release_in_flight(LIMIT);
    assert!(done.recv_timeout(Duration::from_millis(50)).is_err(), "it should still wait");
    memory.give_room(1 + MESSAGE_OVERHEAD);
    done.recv_timeout(DEADLINE).expect("room again");
    outbox.abort(AbortReason::TooSlow);
    threads.wait_for_all();
}

#[test]
fn an_abort_ends_every_wait() {
    let memory = Memory::with_room(0);
    let (outbox, threads) = outbox(&memory);
    outbox.send(&[bytes(2 * LIMIT, 1)], Cause::Own);
    outbox.add_in_flight(1);
    let waiter = Arc::clone(&outbox);
    let body = move || {
        waiter.wait_for_room();
        waiter.wait_until_idle();
    };
    threads.spawn("conn 1".to_owned(), 64 * 1024, body).unwrap();
    outbox.abort(AbortReason::NoPong);
    threads.wait_for_all();
    assert!(memory.is_aborted());
    assert_eq!(outbox.close_info(), (None, Some(AbortReason::NoPong)));
    assert_eq!(outbox.send(&[bytes(1, 1)], Cause::Own), SendOutcome::Closed);
}

#[test]
fn nothing_leaves_after_a_close() {
    let memory = Memory::unlimited();
    let (outbox, _threads) = outbox(&memory);
    outbox.close(CloseCode::GOING_AWAY, "bye");
    memory.wait_for_end();
    let close = [0x88, 5, 0x03, 0xe9, b'b', b'y', b'e'];
    assert_eq!(outbox.send(&[bytes(1, 1)], Cause::Others), SendOutcome::Closed);
    outbox.send_frame(&[0x8a, 0]);
    outbox.send_frame(&[0x88, 0]);
    outbox.close(CloseCode::PROTOCOL_ERROR, "");
    assert_eq!(memory.sent(), close);
    assert_eq!(outbox.close_info().0, Some(CloseCode::GOING_AWAY));
    assert!(outbox.wait_until_over(Instant::now()));
}

#[test]
fn a_close_waits_for_the_backlog_before_it() {
    let memory = Memory::with_room(0);
    let (outbox, threads) = outbox(&memory);
    outbox.send(&[bytes(20, 7)], Cause::Others);
    // The bytes of a Close that tungstenite writes when it answers one of the client.
    outbox.send_frame(&[0x88, 2, 0x03, 0xe8]);
    assert!(!outbox.wait_until_over(Instant::now() + Duration::from_millis(20)));
    memory.give_room(1000);
    memory.wait_for_end();
    assert_eq!(memory.sent(), [vec![7; 20], vec![0x88, 2, 0x03, 0xe8]].concat());
    assert!(outbox.wait_until_over(Instant::now() + DEADLINE));
    threads.wait_for_all();
}

#[test]
fn many_pieces_keep_their_order() {
    let memory = Memory::with_room(33);
    let (outbox, threads) = outbox(&memory);
    let pieces: Vec<Bytes> = (0..=255).map(|n| bytes(3, n)).collect();
    assert_eq!(outbox.send(&pieces, Cause::Own), SendOutcome::Accepted);
    memory.give_room(1000);
    assert_eq!(memory.wait_for(768), pieces.concat());
    threads.wait_for_all();
}

#[test]
fn a_small_piece_counts_for_its_overhead_too() {
    let memory = Memory::with_room(0);
    let (outbox, threads) = outbox(&memory);
    let mut accepted = 0;
    while outbox.send(&[bytes(1, 1)], Cause::Others) == SendOutcome::Accepted {
        accepted += 1;
    }
    assert_eq!(accepted, 2, "1 byte and its overhead, twice, are more than {LIMIT}");
    // When they have left, all of that cost is released.
    memory.give_room(1000);
    memory.wait_for(accepted);
    threads.wait_for_all();
    assert_eq!(lock(&outbox.state).backlog.others_unsent(), 0);
}

#[test]
#[cfg_attr(miri, ignore = "256 threads take Miri half a minute")]
fn without_sockets_each_slow_client_has_a_thread_until_there_are_too_many() {
    let threads = Arc::new(Threads::default());
    let drainer = drainer(&threads);
    let memory = Memory::with_room(0);
    let slow_client = || {
        let transport = Arc::clone(&memory) as _;
        let outbox =
            Outbox::new(transport, Arc::clone(&drainer), Arc::default(), ConnectionId(1), LIMIT);
        outbox.send(&[bytes(1, 1)], Cause::Others);
        outbox
    };
    for _ in 0..MAX_DRAIN_THREADS {
        assert_eq!(slow_client().close_info().1, None);
    }
    assert_eq!(threads.live(), MAX_DRAIN_THREADS);
    let refused = slow_client();
    assert_eq!(refused.close_info().1, Some(AbortReason::CannotDrain));
    // This ends the threads of the others, because all share one transport.
    memory.wait_for_abort();
    threads.wait_for_all();
    let memory = Memory::with_room(0);
    let outbox =
        Outbox::new(Arc::clone(&memory) as _, drainer, Arc::default(), ConnectionId(1), LIMIT);
    outbox.send(&[bytes(1, 1)], Cause::Others);
    assert_eq!((outbox.close_info().1, threads.live()), (None, 1), "a place is free again");
    outbox.abort(AbortReason::TooSlow);
    threads.wait_for_all();
}

#[test]
fn with_a_limit_of_0_a_client_that_reads_is_served() {
    let memory = Memory::unlimited();
    let outbox = Outbox::new(
        Arc::clone(&memory) as _,
        drainer(&Arc::default()),
        Arc::default(),
        ConnectionId(1),
        0,
    );
    outbox.wait_for_room();
    assert_eq!(outbox.send(&[bytes(1, 1)], Cause::Others), SendOutcome::Accepted);
    assert_eq!(outbox.send(&[bytes(1, 1)], Cause::Own), SendOutcome::Accepted);
    outbox.wait_for_room();
    assert_eq!(memory.sent().len(), 2);
}
