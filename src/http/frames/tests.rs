use proptest::prelude::*;

use super::*;

const LIMITS: FrameLimits = FrameLimits {
    frame: 1000,
    message: 3000,
};

/// A client's frame, masked.
fn frame(opcode: u8, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![opcode | if fin { 0x80 } else { 0 }];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        middle @ 126..=65535 => {
            bytes.push(0x80 | 126);
            bytes.extend((middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    let mask = [7, 77, 177, 3];
    bytes.extend(mask);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    bytes
}

/// All messages of a stream that arrives in chunks of `size`.
fn decode(stream: &[u8], size: usize) -> Result<Vec<Incoming>, Violation> {
    let mut decoder = MessageDecoder::new(LIMITS);
    let mut messages = Vec::new();
    for chunk in stream.chunks(size.max(1)) {
        decoder.push(chunk);
        while let Some(message) = decoder.next_message()? {
            messages.push(message);
        }
    }
    Ok(messages)
}

fn text(content: &[u8]) -> Incoming {
    Incoming::Text(Bytes::copy_from_slice(content))
}

#[test]
fn control_frames_may_stand_between_fragments() {
    let stream = [
        frame(1, false, b"one "),
        frame(9, true, b"p"),
        frame(0, false, b"two "),
        frame(10, true, b""),
        frame(0, true, b"three"),
        frame(1, true, b""),
    ]
    .concat();
    let expected = vec![
        Incoming::Ping(Bytes::from_static(b"p")),
        Incoming::Pong,
        text(b"one two three"),
        text(b""),
    ];
    assert_eq!(decode(&stream, 3), Ok(expected));
}

#[test]
fn binary_messages_are_seen_but_not_kept() {
    let stream = [
        frame(2, true, b"x"),
        frame(2, false, b"y"),
        frame(0, true, b"z"),
        frame(1, true, b"t"),
    ]
    .concat();
    assert_eq!(
        decode(&stream, 100),
        Ok(vec![Incoming::Binary, Incoming::Binary, text(b"t")])
    );
}

#[test]
fn broken_text_does_not_end_the_stream() {
    let stream = [frame(1, true, b"\xff\xfe"), frame(1, true, b"ok")].concat();
    assert_eq!(decode(&stream, 100), Ok(vec![text(b"\xff\xfe"), text(b"ok")]));
}

#[test]
fn a_frame_is_refused_by_its_announced_length_alone() {
    let mut decoder = MessageDecoder::new(LIMITS);
    decoder.push(&frame(1, true, &[0; 1000]));
    assert!(decoder.next_message().is_ok_and(|message| message.is_some()));
    decoder.push(&frame(1, true, &[0; 1001])[..4]);
    assert_eq!(decoder.next_message(), Err(Violation::TooBig));
    let mut decoder = MessageDecoder::new(LIMITS);
    decoder.push(&[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(decoder.next_message(), Err(Violation::TooBig));
}

#[test]
fn a_message_is_bounded_in_bytes_and_pieces() {
    let whole = [
        frame(1, false, &[b'x'; 1000]),
        frame(0, false, &[b'x'; 1000]),
        frame(0, true, &[b'x'; 1000]),
    ]
    .concat();
    assert!(decode(&whole, 4096).is_ok_and(|messages| messages.len() == 1));
    let over = [whole[..whole.len() - 1].to_vec(), vec![0], frame(1, false, &[0; 1000])].concat();
    assert!(decode(&over, 4096).is_ok());
    let over = [
        frame(1, false, &[0; 1000]),
        frame(0, false, &[0; 1000]),
        frame(0, false, &[0; 1000]),
        frame(0, true, &[0; 1]),
    ]
    .concat();
    assert_eq!(decode(&over, 4096), Err(Violation::TooBig));
    let mut pieces = frame(1, false, b"");
    for _ in 0..MOST_PIECES {
        pieces.extend(frame(0, false, b""));
    }
    assert_eq!(decode(&pieces, 4096), Err(Violation::TooBig));
}

#[test]
fn broken_framing_is_a_violation() {
    let unmasked = [0x81, 0x01, b'x'];
    let reserved = {
        let mut bytes = frame(1, true, b"x");
        bytes[0] |= 0x40;
        bytes
    };
    let cases: [&[u8]; 6] = [
        &unmasked,
        &reserved,
        &frame(3, true, b"x"),
        &frame(0, true, b"x"),
        &[frame(1, false, b"x"), frame(1, true, b"y")].concat(),
        &frame(9, false, b"x"),
    ];
    for case in cases {
        assert!(matches!(decode(case, 100), Err(Violation::Protocol(_))), "{case:?}");
    }
    assert!(decode(&frame(9, true, &[0; 126]), 200).is_err());
}

proptest! {
    #[test]
    fn messages_survive_any_fragmentation_and_chunking(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 1..6),
        piece in 1usize..400,
        chunk in 1usize..500,
    ) {
        let mut stream = Vec::new();
        for message in &messages {
            let pieces: Vec<&[u8]> = if message.is_empty() { vec![&[]] } else { message.chunks(piece).collect() };
            for (at, part) in pieces.iter().enumerate() {
                stream.extend(frame(if at == 0 { 1 } else { 0 }, at + 1 == pieces.len(), part));
            }
        }
        let expected: Vec<Incoming> = messages.iter().map(|message| text(message)).collect();
        prop_assert_eq!(decode(&stream, chunk), Ok(expected));
    }

    #[test]
    fn noise_never_panics_and_never_buffers_beyond_the_limits(noise in prop::collection::vec(any::<u8>(), 0..4000)) {
        let mut decoder = MessageDecoder::new(LIMITS);
        for chunk in noise.chunks(97) {
            decoder.push(chunk);
            loop {
                match decoder.next_message() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return Ok(()),
                }
            }
            prop_assert!(decoder.buffer.len() < LIMITS.frame + 97 + 14);
        }
    }
}
