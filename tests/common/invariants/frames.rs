//! Frames that are decoded, taken apart in pieces, and captured.

use chalkwire::protocol::parser::{FrameParser, FramePart};
use chalkwire::protocol::{Frame, FrameHeader};
use chalkwire::tap::capture::{CapturedFrame, FrameCapture};

/// A frame that is decoded and encoded again has the same bytes, and no cut in them changes the result.
pub fn frame(bytes: &[u8]) {
    if let Some((header, length)) = FrameHeader::decode(bytes) {
        let mut again = Vec::new();
        header.encode(&mut again);
        assert_eq!(again, bytes[..length], "{header:?}");
        for end in 0..length {
            assert_eq!(FrameHeader::decode(&bytes[..end]), None, "{header:?}, {end} bytes of it");
        }
        assert_eq!(FrameHeader::decode(&bytes[..length]), Some((header, length)));
    }
    if let Some((frame, length)) = Frame::decode(bytes) {
        assert_eq!(frame.encode(), bytes[..length], "{frame:?}");
        assert!(length == bytes.len() || Frame::decode(&bytes[..length]) == Some((frame, length)));
    }
    let whole = parts_of(bytes, bytes.len());
    for size in [1, 2, 3, 7] {
        assert_eq!(parts_of(bytes, size), whole, "in pieces of {size}");
    }
    let whole = captured(bytes, bytes.len());
    for size in [1, 2, 3, 7] {
        assert_eq!(captured(bytes, size), whole, "in pieces of {size}");
    }
}

/// The bytes of each frame as the parser takes them apart, whether the frame ends, and at the end the
/// bytes of a header that is not complete.
fn parts_of(bytes: &[u8], size: usize) -> Vec<(Vec<u8>, bool)> {
    let mut parser = FrameParser::default();
    let mut frames: Vec<(Vec<u8>, bool)> = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        parser.feed(piece, |part| match (part, frames.last_mut()) {
            (FramePart::Header(header), None | Some((_, true))) => {
                let mut bytes = Vec::new();
                header.encode(&mut bytes);
                frames.push((bytes, false));
            }
            (FramePart::Payload(piece), Some((bytes, false))) => bytes.extend_from_slice(piece),
            (FramePart::End, Some((_, ended @ false))) => *ended = true,
            (part, _) => panic!("{part:?} in the wrong place"),
        });
    }
    frames.push((parser.header_so_far().to_vec(), false));
    let all: Vec<u8> = frames.iter().flat_map(|(bytes, _)| bytes).copied().collect();
    assert_eq!(all, bytes, "every byte is in one part");
    frames
}

fn captured(bytes: &[u8], size: usize) -> Vec<CapturedFrame> {
    let mut parser = FrameParser::default();
    let mut capture = FrameCapture::default();
    let mut frames = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        parser.feed(piece, |part| frames.extend(capture.take(part)));
    }
    frames.extend(capture.take_unfinished());
    frames
}
