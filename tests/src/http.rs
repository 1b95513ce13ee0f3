//! The part of HTTP that servers of tests need.

use std::io::Read;

/// Reads the head of a request, up to the empty line; what came of it, where the connection ends before.
pub fn http_head(stream: &mut impl Read) -> Vec<u8> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        head.extend(byte);
    }
    head
}

/// The value of a header in the head of a request; its name in lower case.
pub fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim().to_owned())
}
