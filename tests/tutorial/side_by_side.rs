//! Programs of the tutorial wait more than they work, so the tests run several at the same time.

use std::sync::Mutex;

/// How many programs run at the same time.
const WORKERS: usize = 6;

/// Does `work` with each item, several at the same time. Returns the results in the order of the
/// items.
pub fn side_by_side<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    with_workers(WORKERS, items, work)
}

/// The same with a number of workers.
pub fn with_workers<T: Send, R: Send>(
    workers: usize,
    items: Vec<T>,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let waiting = Mutex::new(items.into_iter().enumerate());
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no panic").next();
                    let Some((index, item)) = next else { return };
                    let result = work(item);
                    results.lock().expect("no panic").push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no panic");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[test]
fn results_come_in_the_order_of_the_items() {
    // The first item waits for the last, so one worker alone would never end.
    let (sender, receiver) = std::sync::mpsc::channel();
    let receiver = Mutex::new(receiver);
    let results = with_workers(2, vec![0, 1, 2], |item| {
        match item {
            0 => receiver.lock().unwrap().recv().unwrap(),
            2 => sender.send(()).unwrap(),
            _ => {}
        }
        item * 10
    });
    assert_eq!(results, [0, 10, 20]);
}
