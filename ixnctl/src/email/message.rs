//! The bytes of one e-mail → one submission. Pure: no clock, no files.

use std::borrow::Cow;

use ixn_proto::{KeyValueList, RequestSubmit};
use mail_parser::{Address, DateTime, HeaderName, Message, MessageParser, MimeHeaders as _};
use sha2::{Digest as _, Sha256};

use crate::submission::Submission;

/// The media type of every e-mail.
const MEDIA_TYPE: &str = "email";
/// The longest ExternalId, bytes: a longer Message-ID is not one that anybody can look for.
const EXTERNAL_ID_BYTES: usize = 256;
/// The longest text that names one thing (subject, sender, one header field), bytes.
const TEXT_BYTES: usize = 1_024;
/// The longest text that lists several things (recipients), bytes.
const LIST_BYTES: usize = 4_096;
/// How much later than a Received header the Date header may be before it counts as wrong, seconds: clocks and zones
/// differ.
const DATE_TOLERANCE_SECONDS: i64 = 24 * 60 * 60;
/// The last time that the server takes, Unix seconds.
const LAST_SECOND: i64 = u32::MAX as i64;

/// Why bytes are not an e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// There are no bytes.
    #[error("it is empty")]
    Empty,
    /// The parser found no header field.
    #[error("it has no header field")]
    NoHeader,
    /// It has header fields, but none that every e-mail has.
    #[error("it has no From, Sender, To, Subject, Date or Message-ID: it is not an e-mail")]
    NotAnEmail,
}

/// Reads one e-mail into a submission to `queue`. The same bytes make the same submission at any time: their hash is its
/// idempotency key.
///
/// # Errors
/// The bytes are not an e-mail.
pub(crate) fn read(bytes: &[u8], queue: &str) -> Result<Submission, Broken> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Broken::Empty);
    }
    let message = MessageParser::default().parse(without_envelope_line(bytes)).ok_or(Broken::NoHeader)?;
    if !is_an_email(&message) {
        return Err(if message.headers().is_empty() { Broken::NoHeader } else { Broken::NotAnEmail });
    }
    let request = RequestSubmit {
        queue: queue.to_owned(),
        media_type: MEDIA_TYPE.to_owned(),
        interaction_type: "Inbound".to_owned(),
        interaction_subtype: "InboundNew".to_owned(),
        received_at: received_at(&message).unwrap_or(0),
        external_id: message.message_id().map(|id| bounded(id, EXTERNAL_ID_BYTES)).unwrap_or_default(),
        user_data: Some(user_data(&message, bytes.len())),
        ..RequestSubmit::default()
    };
    Ok(Submission { request, idempotency_key: Some(idempotency_key(bytes)) })
}

/// The same bytes have the same key, wherever they lie.
fn idempotency_key(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold("eml-".to_owned(), |key, byte| format!("{key}{byte:02x}"))
}

/// Without the line `From sender date` that some programs leave on top of a saved e-mail.
fn without_envelope_line(bytes: &[u8]) -> &[u8] {
    if !bytes.starts_with(b"From ") {
        return bytes;
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |newline| newline + 1);
    bytes.get(end..).unwrap_or_default()
}

fn is_an_email(message: &Message<'_>) -> bool {
    let names = [
        HeaderName::From,
        HeaderName::Sender,
        HeaderName::To,
        HeaderName::Subject,
        HeaderName::Date,
        HeaderName::MessageId,
    ];
    names.into_iter().any(|name| message.header(name).is_some_and(|value| !value.is_empty()))
}

/// The time of the Date header; `None` when there is none or it cannot be true: it is later than a server on the way
/// received the e-mail.
fn received_at(message: &Message<'_>) -> Option<i64> {
    let seconds = |date: &DateTime| Some(date).filter(|date| date.is_valid()).map(DateTime::to_timestamp);
    let sent = seconds(message.date()?)?;
    let received = message.received().and_then(|received| seconds(received.date.as_ref()?));
    let latest = received.map_or(LAST_SECOND, |received| received.saturating_add(DATE_TOLERANCE_SECONDS));
    (1..=latest.min(LAST_SECOND)).contains(&sent).then_some(sent)
}

fn user_data(message: &Message<'_>, size_bytes: usize) -> KeyValueList {
    let mut list = KeyValueList::new();
    let mut text = |key: &str, text: Option<Cow<'_, str>>, most_bytes: usize| {
        if let Some(text) = text.map(|text| bounded(&text, most_bytes)).filter(|text| !text.is_empty()) {
            list.push_text(key, &text);
        }
    };
    let header = |name: HeaderName<'static>| message.header_raw(name).map(Cow::Borrowed);
    let sender = message.from().or_else(|| message.sender()).and_then(Address::first);
    text("Subject", message.subject().map(Cow::Borrowed), TEXT_BYTES);
    text("FromAddress", sender.and_then(|sender| sender.address()).map(Cow::Borrowed), TEXT_BYTES);
    text("FromPersonal", sender.and_then(|sender| sender.name()).map(Cow::Borrowed), TEXT_BYTES);
    text("To", message.to().map(addresses), LIST_BYTES);
    text("Cc", message.cc().map(addresses), LIST_BYTES);
    text("Mailbox", header(HeaderName::DeliveredTo), TEXT_BYTES);
    text("Header_Message-ID", header(HeaderName::MessageId), TEXT_BYTES);
    text("Header_Date", header(HeaderName::Date), TEXT_BYTES);
    text("Header_In-Reply-To", header(HeaderName::InReplyTo), TEXT_BYTES);
    let names: Vec<String> = message.attachments().filter_map(attachment_name).collect();
    text("_AttachmentFileNames", Some(names.join(";").into()), TEXT_BYTES);
    let attached_bytes: usize = message.attachments().map(|part| part.len()).sum();
    list.push_integer("_AttachmentsSize", integer(attached_bytes));
    list.push_integer("_ContainsAttachment", i64::from(message.attachment_count() > 0));
    list.push_integer("Size", integer(size_bytes));
    list
}

/// `;` divides the names, so a name has none.
fn attachment_name(part: &mail_parser::MessagePart<'_>) -> Option<String> {
    part.attachment_name().map(|name| name.replace(';', "_")).filter(|name| !name.is_empty())
}

/// The addresses without names, divided by `, `.
fn addresses<'a>(list: &'a Address<'_>) -> Cow<'a, str> {
    let addresses: Vec<&str> = list.iter().filter_map(|address| address.address()).collect();
    addresses.join(", ").into()
}

/// The text in one line, without control characters, cut at `most_bytes` between two characters.
fn bounded(text: &str, most_bytes: usize) -> String {
    let mut line = String::new();
    for word in text.split(|character: char| character.is_control() || character == ' ') {
        if !line.is_empty() && !word.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line.truncate(line.floor_char_boundary(most_bytes));
    line.truncate(line.trim_end().len());
    line
}

fn integer(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-02T00:00:00Z.
    const JANUARY_2: i64 = 1_767_312_000;

    const PLAIN: &str = "From: \"Doe, Jane\" <jane@example.com>\r\n\
        To: Help <help@example.org>, sales@example.org\r\n\
        Cc: boss@example.org\r\n\
        Subject: =?utf-8?Q?Rechnung_f=C3=BCr?=\r\n Mai\r\n\
        Date: Tue, 14 Nov 2023 23:13:20 +0100\r\n\
        Message-ID: <1@example.com>\r\n\
        Delivered-To: help@example.org\r\n\
        \r\n\
        The body stays where it is.\r\n";

    const WITH_ATTACHMENT: &str = "From: a@example.com\nSubject: two files\nMIME-Version: 1.0\n\
        Content-Type: multipart/mixed; boundary=x\n\n\
        --x\nContent-Type: text/plain\n\nhello\n\
        --x\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=\"a;b.pdf\"\n\
        Content-Transfer-Encoding: base64\n\nAAECAw==\n\
        --x\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=c.bin\n\nabc\n\
        --x--\n";

    fn read_text(email: &str) -> Submission {
        read(email.as_bytes(), "inbox").unwrap()
    }

    #[test]
    fn an_email_becomes_properties_and_user_data_in_the_products_names() {
        let request = read_text(PLAIN).request;
        assert_eq!((request.media_type.as_str(), request.queue.as_str()), ("email", "inbox"));
        assert_eq!(
            (request.interaction_type.as_str(), request.interaction_subtype.as_str()),
            ("Inbound", "InboundNew")
        );
        assert_eq!(request.received_at, 1_700_000_000);
        assert_eq!(request.external_id, "1@example.com");
        let data = request.user_data.unwrap();
        for (key, value) in [
            ("Subject", "Rechnung für Mai"),
            ("FromAddress", "jane@example.com"),
            ("FromPersonal", "Doe, Jane"),
            ("To", "help@example.org, sales@example.org"),
            ("Cc", "boss@example.org"),
            ("Mailbox", "help@example.org"),
            ("Header_Message-ID", "<1@example.com>"),
            ("Header_Date", "Tue, 14 Nov 2023 23:13:20 +0100"),
        ] {
            assert_eq!(data.get_text(key), Some(value), "{key}");
        }
        assert_eq!(data.get_integer("_ContainsAttachment"), Some(0));
        assert_eq!(data.get_integer("Size"), Some(i64::try_from(PLAIN.len()).unwrap()));
        assert!(!format!("{data:?}").contains("body stays"), "{data:?}");
    }

    #[test]
    fn attachments_are_named_and_measured() {
        let data = read_text(WITH_ATTACHMENT).request.user_data.unwrap();
        assert_eq!(data.get_text("_AttachmentFileNames"), Some("a_b.pdf;c.bin"));
        assert_eq!(data.get_integer("_AttachmentsSize"), Some(7));
        assert_eq!(data.get_integer("_ContainsAttachment"), Some(1));
    }

    #[test]
    fn the_key_is_the_hash_of_the_bytes() {
        let key = read_text(PLAIN).idempotency_key.unwrap();
        assert_eq!(read_text(PLAIN).idempotency_key.as_deref(), Some(key.as_str()));
        assert_ne!(read_text(WITH_ATTACHMENT).idempotency_key.as_deref(), Some(key.as_str()));
        assert!(key.starts_with("eml-") && key.len() <= 128, "{key}");
    }

    #[test]
    fn a_date_that_cannot_be_true_is_left_out() {
        let read = |headers: &str| read_text(&format!("From: a@b.c\n{headers}\n\n")).request.received_at;
        let received_at = |date: &str| read(&format!("Date: {date}"));
        assert_eq!(received_at("Fri, 2 Jan 2026 00:00:00 +0000"), JANUARY_2);
        assert_eq!(received_at("Thu, 1 Jan 1960 00:00:00 +0000"), 0);
        assert_eq!(received_at("Mon, 1 Jan 2125 00:00:00 +0000"), 0, "the server takes none after 2106");
        assert_eq!(received_at("Wed, 99 Foo 2099 77:00:00 +0000"), 0);
        assert_eq!(received_at("yesterday"), 0);
        let received = "Received: from a.b.c by d.e.f; Thu, 1 Jan 2026 00:00:00 +0000";
        let received_at = |date: &str| read(&format!("{received}\nDate: {date}"));
        assert_eq!(received_at("Fri, 2 Jan 2026 00:00:00 +0000"), JANUARY_2);
        assert_eq!(received_at("Fri, 2 Jan 2026 00:00:01 +0000"), 0, "sent a day after it was received");
        assert_eq!(read_text("From: a@b.c\n\n").request.received_at, 0);
    }

    #[test]
    fn what_is_not_an_email_says_why() {
        let broken = |bytes: &[u8]| read(bytes, "inbox").unwrap_err();
        assert_eq!(broken(b""), Broken::Empty);
        assert_eq!(broken(b"\r\n\r\n"), Broken::Empty);
        assert_eq!(broken(b"hello\nworld\n"), Broken::NoHeader);
        assert_eq!(broken(b"{\"a\":1}"), Broken::NotAnEmail);
        assert_eq!(broken(b"Content-Type: text/plain\n\nhello"), Broken::NotAnEmail);
        assert_eq!(broken(b"From: \nSubject:\n\nhello"), Broken::NotAnEmail);
    }

    #[test]
    fn long_and_dirty_headers_are_bounded_and_clean() {
        let subject = "ü".repeat(2_000);
        let id = "i".repeat(500);
        let email = format!("From: a@b.c\nSubject: x\u{7}y{subject}\nMessage-ID: <{id}@b.c>\n\n");
        let request = read_text(&email).request;
        assert_eq!(request.external_id.len(), EXTERNAL_ID_BYTES);
        let data = request.user_data.unwrap();
        let subject = data.get_text("Subject").unwrap();
        assert!(subject.starts_with("x yü") && subject.len() <= TEXT_BYTES, "{} bytes", subject.len());
        assert!(!data.get_text("Header_Message-ID").unwrap().contains('\n'));
    }

    #[test]
    fn a_saved_envelope_line_is_not_part_of_the_email() {
        let email = format!("From jane@example.com Tue Nov 14 23:13:20 2023\n{PLAIN}");
        let data = read_text(&email).request.user_data.unwrap();
        assert_eq!(data.get_text("FromAddress"), Some("jane@example.com"));
    }

    #[test]
    fn any_piece_of_an_email_is_read_or_refused_but_never_fatal() {
        for email in [PLAIN, WITH_ATTACHMENT] {
            for end in 0..email.len() {
                let _ = read(&email.as_bytes()[..end], "inbox");
                let _ = read(&email.as_bytes()[end..], "inbox");
            }
        }
    }
}
