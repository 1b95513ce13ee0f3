//! Server-sent events, from bytes that arrive in any pieces.
//!
//! # Source
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>.

/// Longest event, in bytes: the longest that a server sends is a text of a few tokens with its probabilities.
const LONGEST: usize = 1 << 20;

/// An event that is longer than [`LONGEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// Takes bytes and gives the data of events.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Of the line that is not complete.
    line: Vec<u8>,
    /// The last byte was `\r`: a `\n` after it ends no other line.
    after_return: bool,
    /// Data lines of the event that is not complete.
    data: Option<String>,
}

impl Events {
    /// Takes bytes; `on_data` gets the data of each event that they complete.
    ///
    /// # Errors
    /// When an event is too long.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        on_data: &mut dyn FnMut(String),
    ) -> Result<(), TooLong> {
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => self.end_line(on_data),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > LONGEST {
                return Err(TooLong);
            }
        }
        Ok(())
    }

    /// The stream is over: an event without an empty line after it counts, a line without an end does not.
    pub(super) fn end(&mut self) -> Option<String> {
        self.line.clear();
        self.data.take()
    }

    fn end_line(&mut self, on_data: &mut dyn FnMut(String)) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_start_matches('\u{feff}');
        if line.is_empty() {
            if let Some(data) = self.data.take() {
                on_data(data);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                none => *none = Some(value.to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes are cut, the events are the same.
    #[track_caller]
    fn check(bytes: &[u8], expected: &[&str]) {
        for size in 1..=bytes.len() {
            let (mut events, mut found) = (Events::default(), Vec::new());
            for piece in bytes.chunks(size) {
                events.push(piece, &mut |data| found.push(data)).unwrap();
            }
            found.extend(events.end());
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn events_are_the_same_in_any_pieces_and_with_any_ends_of_lines() {
        check(b"data: {\"a\":1}\n\ndata: [DONE]\n\n", &["{\"a\":1}", "[DONE]"]);
        check(b"data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]);
        check(b"data: a\r\rdata: b\r\r", &["a", "b"]);
        check(b": ping\n\n:\nevent: x\nid: 1\ndata:a\n\n\n\n", &["a"]);
        check(b"data: a\ndata: b\n\n", &["a\nb"]);
        check(b"\xef\xbb\xbfdata: a\n\n", &["a"]);
        check("data: Grüße 🙂\n\n".as_bytes(), &["Grüße 🙂"]);
        check(b"data\n\n", &[""]);
    }

    #[test]
    fn what_is_cut_at_its_end_or_no_utf8_does_no_harm() {
        check(b"data: a\n\ndata: b\n", &["a", "b"]);
        check(b"data: a\n\ndata: hal", &["a"]);
        check(b"data: \xff\xfe\n\ndata: b\n\n", &["\u{fffd}\u{fffd}", "b"]);
        check("data: a\n\ndata: 🙂".as_bytes().split_last().unwrap().1, &["a"]);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut events = Events::default();
        let line = vec![b'x'; LONGEST];
        assert_eq!(events.push(&line, &mut |_| ()), Ok(()));
        assert_eq!(events.push(b"x", &mut |_| ()), Err(TooLong));
        let mut events = Events::default();
        let lines = b"data: 0123456789\n".repeat(LONGEST / 10);
        assert_eq!(events.push(&lines, &mut |_| ()), Err(TooLong));
    }
}
