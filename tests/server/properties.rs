//! Properties that hold for any bytes, tried with random input. Most of the input is nearly right, because
//! the server refuses wild input at its first byte.

use chalkwire::protocol::{Frame, LengthForm, Opcode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

#[path = "../common/invariants/mod.rs"]
mod invariants;

/// A frame that may break any rule, but mostly breaks none.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![
        8 => prop::sample::select(vec![0_u8, 1, 2]),
        3 => prop::sample::select(vec![8_u8, 9, 10]),
        1 => 0..16_u8,
    ];
    let payload = prop_oneof![
        4 => vec(any::<u8>(), 0..40),
        4 => ".{0,20}".prop_map(String::into_bytes),
        2 => (prop_oneof![990..1020_u16, 3000..3001_u16], ".{0,40}")
            .prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
        1 => vec(any::<u8>(), 120..130),
        1 => vec(any::<u8>(), 400..1100),
    ];
    let key = prop::option::weighted(0.97, any::<[u8; 4]>());
    let rsv = prop_oneof![30 => Just(0_u8), 1 => 0..8_u8];
    let form = prop::option::weighted(0.03, prop::sample::select(vec![16, 64]));
    (opcode, payload, key, rsv, any::<bool>(), form).prop_map(
        |(opcode, payload, key, rsv, fin, form)| {
            let mut frame = Frame::new(Opcode::from_bits(opcode), key, &payload);
            frame.header.rsv = rsv;
            frame.header.fin = fin || frame.header.opcode.is_control();
            match form {
                Some(16) => frame.header.length_form = LengthForm::Bits16,
                Some(_) => frame.header.length_form = LengthForm::Bits64,
                None => {}
            }
            frame.encode()
        },
    )
}

/// Frames in a row; sometimes the end is missing.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    (vec(any_frame(), 0..8), prop::option::weighted(0.2, any::<prop::sample::Index>())).prop_map(
        |(frames, end)| {
            let mut bytes = frames.concat();
            if let Some(end) = end.filter(|_| !bytes.is_empty()) {
                bytes.truncate(end.index(bytes.len()));
            }
            bytes
        },
    )
}

/// A request that looks like an opening handshake; lines may be missing, doubled or wrong.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "Host: localhost:8080",
        "Upgrade: websocket",
        "Upgrade: h2c, WebSocket",
        "Connection: Upgrade",
        "Connection: keep-alive, upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: chat, classroom.v1",
        "Origin: http://localhost:8080",
        "Content-Length: 5",
    ]);
    let line = prop_oneof![9 => line.prop_map(str::to_owned), 1 => "[ -~]{0,30}", 1 => ".{0,10}"];
    let target = prop_oneof![
        prop::sample::select(vec!["/", "/echo", "/room/blue", "/stats", "*", "http://a/echo"])
            .prop_map(str::to_owned),
        "/[a-z%0-9]{0,12}",
        "/wire/explain\\?hex=[0-9a-f%]{0,12}",
    ];
    let method = prop::sample::select(vec!["GET", "GET", "GET", "HEAD", "POST", "get", "\u{1}"]);
    let version = prop::sample::select(vec!["1.1", "1.1", "1.1", "1.0", "2.0"]);
    let end = prop::sample::select(vec!["\r\n\r\n", "\r\n\r\n", "\r\n\r\n\u{81}", "\n\n", "\r\n"]);
    (method, target, version, vec(line, 0..12), end).prop_map(
        |(method, target, version, lines, end)| {
            let lines: String = lines.iter().map(|line| format!("\r\n{line}")).collect();
            format!("{method} {target} HTTP/{version}{lines}{end}").into_bytes()
        },
    )
}

/// The inputs that the fuzzer starts from, and those that once broke a property.
#[test]
fn the_fuzzers_corpus_holds() {
    type Invariant = fn(&[u8]);
    let targets: [(&str, Invariant); 7] = [
        ("classroom", invariants::classroom),
        ("frame", invariants::frame),
        ("head", invariants::head),
        ("lab", invariants::lab),
        ("read_path", invariants::read_path),
        ("response", invariants::response),
        ("view", invariants::view),
    ];
    for (name, holds) in targets {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
        let mut inputs = 0;
        for file in std::fs::read_dir(format!("{corpus}/{name}")).expect("a corpus").flatten() {
            println!("{}", file.path().display());
            holds(&std::fs::read(file.path()).expect("a file"));
            inputs += 1;
        }
        assert!(inputs > 5, "{inputs} inputs for {name}");
    }
}

proptest! {
    // Failures are not kept in a file beside the source, because a failure prints its input.
    #![proptest_config(Config { failure_persistence: None, cases: 2000, ..Config::default() })]

    #[test]
    fn no_bytes_cause_a_panic(bytes in vec(any::<u8>(), 0..300)) {
        invariants::frame(&bytes);
        invariants::head(&bytes);
        invariants::read_path(&bytes);
        invariants::classroom(&bytes);
        invariants::lab(&bytes);
        invariants::response(&bytes);
        invariants::view(&bytes);
    }

    #[test]
    fn frames_are_the_same_however_they_are_cut(bytes in stream()) {
        invariants::frame(&bytes);
    }

    #[test]
    fn every_request_gets_an_answer(bytes in request()) {
        invariants::head(&bytes);
    }

    #[test]
    fn our_checks_leave_no_fault_for_tungstenite_to_find(size in any::<u8>(), bytes in stream()) {
        invariants::read_path(&[&[size], &*bytes].concat());
    }
}
