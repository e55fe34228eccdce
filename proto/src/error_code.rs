//! What each error code is called, what happened, and what its receiver should do.

use crate::v1::ErrorCode;

/// The name of a code, such as `UNKNOWN_INTERACTION`.
pub const fn name(code: ErrorCode) -> &'static str {
    row(code).0
}

/// What happened, in general, as one sentence.
pub const fn what_happened(code: ErrorCode) -> &'static str {
    row(code).1
}

/// What the receiver of a code should do, as one sentence.
pub const fn what_to_do(code: ErrorCode) -> &'static str {
    row(code).2
}

// The table, generated from the comments of the `.proto` file.
include!(concat!(env!("OUT_DIR"), "/error_codes.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_name_and_the_sentences_of_its_comment() {
        let code = ErrorCode::NotRegistered;
        assert_eq!(name(code), "NOT_REGISTERED");
        assert_eq!(what_happened(code), "A request came before RequestRegisterClient.");
        assert_eq!(what_to_do(code), "Send RequestRegisterClient first.");
    }

    #[test]
    fn public_numbers_stay() {
        assert_eq!(ErrorCode::MissingValue as i32, 2);
        assert_eq!(ErrorCode::UnknownInteraction as i32, 43);
    }
}
