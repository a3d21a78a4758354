use proptest::prelude::*;

use super::*;

fn cut(limit: usize, chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut cutter = LineCutter::new(limit);
    let mut lines = Vec::new();
    for chunk in chunks {
        cutter.feed(chunk);
        lines.extend(std::iter::from_fn(|| cutter.next()).map(|line| line.to_vec()));
    }
    lines.extend(cutter.rest().map(|line| line.to_vec()));
    lines
}

#[test]
fn lines_are_cut_wherever_the_chunks_end() {
    assert_eq!(
        cut(100, &[b"one\ntw", b"o\n", b"\n  \r\n", b"three"]),
        [&b"one"[..], b"two", b"three"]
    );
    assert!(cut(100, &[]).is_empty());
}

#[test]
fn a_line_over_the_limit_is_skipped_and_the_next_one_is_not() {
    assert_eq!(cut(4, &[b"abcd\nabcde\nok\n"]), [&b"abcd"[..], b"ok"]);
    assert_eq!(cut(4, &[b"abcdef", b"ghi", b"jkl\nok\nab", b"cdefgh"]), [b"ok"]);
}

#[tokio::test]
async fn the_reader_ends_with_its_connection() {
    let (sender, receiver) = mpsc::channel(4);
    drop(receiver);
    let reading = tokio::task::spawn_blocking(move || read_lines(&mut &b"a\nb\n"[..], 100, &sender));
    assert!(reading.await.expect("no panic").is_ok());
}

#[test]
fn a_batch_is_one_write() {
    struct Counted(Vec<Vec<u8>>);
    impl Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut output = Counted(Vec::new());
    let batch = [Bytes::from_static(b"{}"), Bytes::from_static(b"[]")];
    write_lines(&mut output, &batch, &mut Vec::new()).expect("writable");
    assert_eq!(output.0, [b"{}\n[]\n"]);
}

proptest! {
    #[test]
    fn cutting_does_not_depend_on_the_chunks(
        bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..300),
        size in 1..40usize,
    ) {
        let whole = cut(50, &[&bytes]);
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(whole, cut(50, &pieces));
    }
}
