//! Hides what may differ between two runs of a program: ports, times, ids, and all measured
//! figures.

const HOSTS: [&str; 3] = ["127.0.0.1:", "localhost:", "[::1]:"];
const UNITS: [&str; 5] = ["ns", "µs", "us", "ms", "s"];
const IDS: [&str; 4] = ["ThreadId(", "process ", "pid ", "thread id "];
const SIZES: [&str; 6] = ["KiB", "MiB", "GiB", "kB", "MB", "GB"];

/// Masks a line, so that two runs can be compared.
pub fn mask(line: &str) -> String {
    times(&ids(&ports(line.trim_end())))
}

/// Masks a line of a measurement. Its figures may differ, the spaces around them, and the lengths
/// of rules.
pub fn mask_measured(line: &str) -> String {
    let masked = mask(line).replace("TIME", "0");
    let mut out = String::new();
    let mut rest = &*masked;
    while let Some(first) = rest.chars().next() {
        let run = rest.find(|c: char| !" .,0123456789".contains(c)).unwrap_or(rest.len());
        if rest[..run].contains(|c: char| c.is_ascii_digit()) {
            rest = &rest[run..];
            if let Some(unit) = SIZES.iter().find(|unit| rest.starts_with(**unit)) {
                rest = rest[unit.len()..].trim_start();
            }
            out.push('#');
        } else if matches!(first, '-' | '─' | '═') {
            rest = rest.trim_start_matches(first);
            out.push(first);
        } else {
            let length = run.max(first.len_utf8());
            // Spaces beside a word: longer figures in the same column make more of them.
            out.push_str(if run > 0 { " " } else { &rest[..length] });
            rest = &rest[length..];
        }
    }
    out.trim().to_owned()
}

fn digits(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

/// Masks ports, except 8080, which is the port of the text.
fn ports(line: &str) -> String {
    HOSTS.iter().fold(line.to_owned(), |line, host| {
        behind(&line, host, |number| if number == "8080" { "8080" } else { "PORT" })
    })
}

fn ids(line: &str) -> String {
    let line = IDS.iter().fold(line.to_owned(), |line, word| behind(&line, word, |_| "ID"));
    // thread 'main' (4711) panicked at …
    match line.split_once("' (") {
        Some((before, rest)) if before.starts_with("thread '") => {
            format!("{before}' (ID{}", &rest[digits(rest)..])
        }
        _ => line,
    }
}

/// Replaces each number that stands right behind `word`.
fn behind<'a>(line: &str, word: &str, other: impl Fn(&str) -> &'a str) -> String {
    let mut pieces = line.split(word);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_at(digits(piece));
        out.push_str(word);
        out.push_str(if number.is_empty() { "" } else { other(number) });
        out.push_str(rest);
    }
    out
}

/// `12 ms`, `1.234 s`, `34 µs`, with the padding around them.
fn times(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let within_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '_');
        if !first.is_ascii_digit() || within_word {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let run = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',');
        let number = rest[..run.unwrap_or(rest.len())].trim_end_matches(['.', ',']);
        let after = &rest[number.len()..];
        let unit = after.strip_prefix(' ').and_then(|after| {
            let word = after.find(|c: char| !c.is_alphanumeric()).unwrap_or(after.len());
            UNITS.contains(&&after[..word]).then_some(&after[word..])
        });
        if let Some(behind) = unit {
            out.truncate(out.trim_end().len());
            out.push_str(if out.is_empty() { "TIME" } else { " TIME" });
            rest = behind.trim_start();
            out.push_str(if rest.len() < behind.len() { " " } else { "" });
        } else {
            out.push_str(number);
            rest = after;
        }
    }
    out
}

#[test]
fn values_that_differ_from_run_to_run_are_masked() {
    for (one, other) in [
        ("from 127.0.0.1:40312: hi", "from 127.0.0.1:51000: hi"),
        ("after  12 ms, done", "after 1.234 s, done"),
        ("waited 34 µs", "waited    7 ms"),
        ("thread ThreadId(7)", "thread ThreadId(12)"),
        ("process 4711 ends", "process 99 ends"),
        ("thread 'main' (11) panicked at x", "thread 'main' (22) panicked at x"),
        ("the end ", "the end"),
    ] {
        assert_eq!(mask(one), mask(other));
    }
    for (one, other) in [
        ("listening at 127.0.0.1:8080", "listening at 127.0.0.1:8081"),
        ("12 messages", "13 messages"),
        ("81 85 37", "81 85 38"),
        ("v1.2 s", "v1.3 s"),
        ("--once", "--one"),
    ] {
        assert_ne!(mask(one), mask(other), "a changed byte is seen");
    }
}

#[test]
fn in_a_measurement_all_figures_are_masked() {
    for (one, other) in [
        ("| polling |   1,200 |  5 |", "| polling | 900 | 12 |"),
        ("10 clients: 12 ms, 3 KiB", "5000 clients: 1.5 s, 1.2 MiB"),
        ("---- ---", "-- ---------"),
        ("name      x", "name   x"),
    ] {
        assert_eq!(mask_measured(one), mask_measured(other));
    }
    assert_ne!(mask_measured("10 clients"), mask_measured("10 servers"));
    assert_ne!(mask_measured("10 clients"), mask_measured("clients"));
}
