//! Conditions and orders of views and snapshots: text → checked expression → a verdict about one interaction.
//!
//! The language is the product's: SQL-like expressions over the hot properties of an interaction.
//! It is evaluated in memory here and is never sent to a database.
//! This crate must never do I/O, read a clock (the caller passes `now`), or keep state between calls.
//!
//! # Conditions
//!
//! | part | forms |
//! | --- | --- |
//! | logic | `OR`, `AND`, `NOT`, parentheses |
//! | tests | `= <> != < <= > >=`, `[NOT] IN (…)`, `[NOT] BETWEEN … AND …`, `[NOT] LIKE '…' [ESCAPE 'c']`, `IS [NOT] NULL` |
//! | arithmetic | `+ - * /`, unary minus |
//! | values | `'text'` (a quote is doubled), whole numbers, properties |
//! | functions | `_age()`, `_time_in_queue()`, `_current_time()`, `_timestamp('yyyy-mm-dd hh:mi:ss')` |
//!
//! - Keywords, functions and system properties may be written in upper or lower case. A system property has two
//!   names, `MediaType` and `media_type`. Custom properties are case-sensitive. `[name]` takes any characters
//!   (`]]` stands for `]`).
//! - Operators bind as in PostgreSQL. Logic has three values: a test of something unset is *unknown*, and so is one
//!   of a division by zero or of a number that does not fit 64 bits.
//! - Types are integer, text and timestamp (UTC seconds). `timestamp - timestamp` is an integer number of seconds,
//!   `timestamp ± integer` a timestamp. There is no implicit conversion.
//! - Text compares by code point. `LIKE` is case-sensitive: `%` is any text, `_` any one character, `\` takes the next
//!   character as it is (`ESCAPE` names another one, `ESCAPE ''` none).
//! - Empty text is always true. Native SQL is refused with an error that names it.
//!
//! # Orders
//!
//! `property [asc|desc] [, …]`; unset values come last in ascending and first in descending order. Empty text is the
//! order of submission.

mod condition;
mod course;
mod display;
mod error;
mod evaluate;
mod expression;
mod lexer;
mod like;
mod operands;
mod order;
mod outlook;
mod parser;
mod property;
mod schema;
mod timestamp;

pub use condition::Condition;
pub use error::{ConditionError, ConditionErrorKind};
pub use evaluate::Truth;
pub use order::{Order, OrderKey};
pub use outlook::NextChange;
pub use property::{Properties, Property, PropertyRef, Value, ValueType};
pub use schema::{Schema, SchemaError};

/// The longest text of a condition or an order, in bytes.
pub const TEXT_LENGTH_LIMIT_BYTES: usize = 64 * 1024;

/// How deep parentheses, `NOT`, signs and chains of arithmetic may nest.
pub const NESTING_LIMIT: usize = 100;
