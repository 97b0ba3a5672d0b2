//! Chapter 15's example counts exactly. Its times depend on the machine, so we do not check them.

use std::path::Path;
use std::process::Command;

use crate::common::program::example;
use crate::tree::is_chosen;

#[test]
fn one_message_goes_to_n_and_n_messages_are_n_times_n() {
    if !is_chosen(Path::new("examples/15_fanout_cost/main.rs")) {
        return;
    }
    let output = Command::new(example("15_fanout_cost"))
        .args(["--once", "--most", "100", "--listen", "127.0.0.1:0"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RUST_LOG", "off")
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let rows: Vec<[u64; 3]> = text.lines().filter_map(counts).collect();
    let expected = [10, 20, 50, 100].map(|n| [n, n, n * n]);
    assert_eq!(rows, expected, "{text}");
    // With ten times as many members, one talker means ten times as many deliveries. If all talk,
    // it is a hundred times as many.
    assert_eq!([rows[3][1] / rows[0][1], rows[3][2] / rows[0][2]], [10, 100]);

    let plot = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/15_fanout_cost.svg");
    let plot = std::fs::read_to_string(plot).expect("the plot");
    assert!(plot.starts_with("<svg") && plot.trim_end().ends_with("</svg>"));
    for name in ["one talks", "all talk at once", "all talk in turn", "members of the room"] {
        assert!(plot.contains(name), "the plot does not say {name:?}");
    }
}

/// Reads members, deliveries if one talks, and deliveries if all talk: `10  10 0.15 ms  100 0.3 ms
/// …`.
fn counts(line: &str) -> Option<[u64; 3]> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |n: usize| words.get(n)?.parse().ok();
    Some([number(0)?, number(1)?, number(4)?])
}
