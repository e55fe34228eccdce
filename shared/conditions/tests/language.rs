//! What conditions and orders mean, what is refused and how the mistakes are told.
#![allow(clippy::expect_used, clippy::panic, reason = "functions beside the tests fail them too")]

use ixn_conditions::{
    Condition, ConditionErrorKind as Kind, NextChange, Order, Properties, PropertyRef, Schema, Truth, Value,
    ValueType,
};

/// Values by property name; anything else is not set.
struct Row(Vec<(PropertyRef, Value<'static>)>);

impl Row {
    fn new(values: &[(&str, Value<'static>)]) -> Self {
        let reference = |name: &str| schema().find(name).expect("a known name").0;
        Self(values.iter().map(|(name, value)| (reference(name), *value)).collect())
    }
}

impl Properties for Row {
    fn get(&self, property: PropertyRef) -> Value<'_> {
        self.0.iter().find(|(other, _)| *other == property).map_or(Value::Null, |(_, value)| *value)
    }
}

fn schema() -> Schema {
    let custom = [
        ("lang", ValueType::Text),
        ("Name with ] spaces", ValueType::Text),
        ("and", ValueType::Integer),
        ("due", ValueType::Timestamp),
    ];
    let mut schema = Schema::new();
    for (name, value_type) in custom {
        schema.add_custom(name, value_type).expect("a good name");
    }
    schema
}

fn parse(text: &str) -> Condition {
    Condition::parse(text, &schema()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn evaluate(text: &str) -> Truth {
    let row = Row::new(&[
        ("MediaType", Value::Text("email")),
        ("Priority", Value::Integer(5)),
        ("SubmittedAt", Value::Timestamp(1_000)),
        ("PlacedInQueueAt", Value::Timestamp(1_200)),
        ("lang", Value::Text("it's")),
        ("Name with ] spaces", Value::Text("x")),
        ("and", Value::Integer(1)),
    ]);
    parse(text).evaluate(&row, 1_300)
}

#[test]
fn evaluates_with_three_truth_values() {
    for (text, wanted) in [
        ("", Truth::True),
        (" \n ", Truth::True),
        ("mediatype = 'email' and [media_type] = 'email' AND MEDIA_TYPE LIKE 'e%'", Truth::True),
        ("MediaType = 'Email'", Truth::False),
        ("lang = 'it''s'", Truth::True),
        ("[Name with ]] spaces] = 'x' AND [and] = 1", Truth::True),
        ("Queue = 'a'", Truth::Unknown),
        ("NOT Queue = 'a'", Truth::Unknown),
        ("Queue = 'a' AND Priority = 6", Truth::False),
        ("Queue = 'a' OR Priority = 5", Truth::True),
        ("Queue IS NULL AND Priority IS NOT NULL", Truth::True),
        ("Priority IN (1, 5, ServiceObjective)", Truth::True),
        ("Priority NOT IN (1, ServiceObjective)", Truth::Unknown),
        ("Priority NOT BETWEEN 6 AND 7", Truth::True),
        ("NOT Priority = 5 OR Priority = 5", Truth::True),
        ("2 + 3 * 4 - 10 / 3 = 11", Truth::True),
        ("-7 / 2 = -3 AND - Priority = -5", Truth::True),
        ("1 / 0 = 1", Truth::Unknown),
        ("Priority / (Priority - 5) IS NULL", Truth::True),
        ("9223372036854775807 + Priority > 0", Truth::Unknown),
        ("-9223372036854775808 < 0 AND - -9223372036854775808 IS NULL", Truth::True),
        // Not received: the age is counted from the submit.
        ("_age() = 300 AND _time_in_queue() = 100", Truth::True),
        ("_current_time() - SubmittedAt = 300 AND SubmittedAt + 300 = _current_time()", Truth::True),
        ("SubmittedAt = _timestamp('1970-01-01T00:16:40Z')", Truth::True),
        ("DeliveredAt > SubmittedAt", Truth::Unknown),
    ] {
        assert_eq!(evaluate(text), wanted, "{text}");
    }
}

#[test]
fn a_value_of_another_type_counts_as_not_set() {
    let row = Row::new(&[("Priority", Value::Text("5")), ("Queue", Value::Integer(1))]);
    assert_eq!(parse("Priority = 5").evaluate(&row, 0), Truth::Unknown);
    assert_eq!(parse("Queue IS NULL").evaluate(&row, 0), Truth::True);
}

#[test]
fn age_prefers_the_time_of_receipt() {
    let row = Row::new(&[("ReceivedAt", Value::Timestamp(10)), ("SubmittedAt", Value::Timestamp(50))]);
    assert_eq!(parse("_age() = 90").evaluate(&row, 100), Truth::True);
}

#[test]
fn mistakes_name_place_thing_and_way_out() {
    let deep = format!("{}1 = 1{}", "(".repeat(101), ")".repeat(101));
    let chain = format!("Priority{} = 1", " + Priority".repeat(101));
    let long = format!("Queue = '{}'", "x".repeat(64 * 1024));
    for (text, kind, offset, message) in [
        ("Prioritty = 1", Kind::UnknownProperty, 0, "'Prioritty'; did you mean Priority?"),
        ("Lang = 'x'", Kind::UnknownProperty, 0, "did you mean lang?"),
        ("Queue = email", Kind::UnknownProperty, 8, "a text is written 'email'"),
        ("[no such name] = 1", Kind::UnknownProperty, 0, "'no such name'"),
        ("_age > 5", Kind::UnknownProperty, 0, "the function is written _age(…)"),
        ("InQueues = 'a'", Kind::UnknownProperty, 0, "list of queues"),
        ("_agee() > 5", Kind::UnknownFunction, 0, "did you mean _age?"),
        ("_age(1) > 5", Kind::UnknownFunction, 5, "_age() takes no arguments"),
        ("lower(Queue) = 'a'", Kind::NativeSql, 0, "function 'lower'; possible are _age()"),
        ("Queue ILIKE 'a'", Kind::NativeSql, 6, "'ILIKE' is native SQL"),
        ("Queue || 'a' = 'b'", Kind::NativeSql, 6, "texts cannot be joined"),
        ("Priority = 1 -- best", Kind::NativeSql, 13, "comments"),
        ("EXISTS (select 1)", Kind::NativeSql, 0, "'EXISTS'"),
        ("Priority = '5'", Kind::Type, 11, "write 5 without quotes"),
        ("Queue = 5", Kind::Type, 8, "write '5' in quotes"),
        ("due > '2024-01-01 00:00:00'", Kind::Type, 6, "write _timestamp("),
        ("due > 5", Kind::Type, 6, "timestamp - timestamp is an integer"),
        ("Priority IN (1, 'a')", Kind::Type, 16, "cannot compare an integer with a text"),
        ("Priority LIKE '5%'", Kind::Type, 0, "LIKE works on a text, not on an integer"),
        ("due * 2 = due", Kind::Type, 4, "timestamp - timestamp"),
        ("Queue + 1 = 2", Kind::Type, 6, "a text cannot be computed with"),
        ("- Queue = 'a'", Kind::Type, 2, "minus sign"),
        ("Priority", Kind::Type, 0, "compare it with something"),
        ("Priority = 1 AND 2", Kind::Type, 17, "alone is neither true nor false"),
        ("(Priority = 1) = 1", Kind::Type, 0, "a condition cannot be compared"),
        ("Priority = NULL", Kind::Syntax, 11, "write IS NULL"),
        ("IsOnline = true", Kind::Syntax, 11, "flags are written 1 and 0"),
        ("Priority IS 5", Kind::Syntax, 12, "expected NULL"),
        ("Priority = ", Kind::Syntax, 11, "found the end"),
        ("Priority = 1 AND", Kind::Syntax, 16, "found the end"),
        ("(Priority = 1", Kind::Syntax, 13, "expected an operator or )"),
        ("Priority IN ()", Kind::Syntax, 13, "found ')'"),
        ("Priority IN 5", Kind::Syntax, 12, "expected ( and a list"),
        ("Priority BETWEEN 1, 2", Kind::Syntax, 18, "expected AND"),
        ("Queue NOT = 'a'", Kind::Syntax, 10, "after NOT"),
        ("Queue = 'a", Kind::Syntax, 8, "no closing quote"),
        ("Queue LIKE Queue", Kind::Syntax, 11, "a pattern in quotes"),
        ("Queue LIKE 'a\\'", Kind::Pattern, 11, "ends with its escape character"),
        ("Queue LIKE 'a' ESCAPE '!!'", Kind::Pattern, 22, "one character"),
        ("Priority = 1.5", Kind::Number, 11, "whole numbers"),
        ("Priority = 9223372036854775808", Kind::Number, 11, "too big"),
        ("due > _timestamp('2024-02-30 00:00:00')", Kind::Timestamp, 17, "yyyy-mm-dd"),
        ("due > _timestamp(5)", Kind::UnknownFunction, 17, "found the number 5"),
        ("1 = 1; drop table x", Kind::TrailingText, 5, "found ';'"),
        ("1 = 1 = 1", Kind::TrailingText, 6, "found '='"),
        ("Priority = 1 Queue = 'a'", Kind::TrailingText, 13, "AND, OR or the end, found 'Queue'"),
        (&deep, Kind::TooDeep, 101, "at most 100 levels"),
        (&chain, Kind::TooDeep, chain.rfind(" =").unwrap() + 1, "at most 100 levels"),
        (&long, Kind::TooLong, 0, "at most 65536"),
    ] {
        let error = Condition::parse(text, &schema()).expect_err(text);
        let found = (error.kind, error.offset_bytes, error.message.as_str());
        assert!(found.0 == kind && found.1 == offset && found.2.contains(message), "{text}: {found:?}");
    }
}

#[test]
fn mistakes_count_lines_and_characters() {
    let error = Condition::parse("Queue = 'ä'\n  AND Q = 'ü'", &schema()).unwrap_err();
    assert_eq!((error.line, error.column, error.offset_bytes), (2, 7, 19));
    let wanted = "line 2, column 7: unknown property 'Q'; ";
    assert!(error.to_string().starts_with(wanted), "{error}");
}

#[test]
fn the_limits_themselves_are_allowed() {
    let nested = "NOT ".repeat(50) + &"(".repeat(50) + "Priority = 5" + &")".repeat(50);
    assert_eq!(evaluate(&nested), Truth::True);
    let wide = vec!["Priority = 5"; 3_000].join(" AND ");
    assert_eq!(evaluate(&wide), Truth::True);
}

#[test]
fn text_form() {
    for (text, wanted) in [
        ("", ""),
        (
            "media_type='a' and(priority>1 or not queue is not null)",
            "MediaType = 'a' AND (Priority > 1 OR NOT Queue IS NOT NULL)",
        ),
        (
            "priority - (1 - submit_seq) * -(priority + 1) > 60*60",
            "Priority - (1 - SubmitSeq) * - (Priority + 1) > 3600",
        ),
        ("[lang] not in('a','it''s')", "lang NOT IN ('a', 'it''s')"),
        ("[and] = 1 and [Name with ]] spaces] = ''", "[and] = 1 AND [Name with ]] spaces] = ''"),
        ("queue like '50!%\\%' escape '!'", "Queue LIKE '50\\%\\\\%'"),
        ("due>_timestamp('2024-01-02T03:04:05Z')", "due > _timestamp('2024-01-02 03:04:05')"),
        ("_AGE()>_Time_In_Queue()", "_age() > _time_in_queue()"),
    ] {
        assert_eq!(parse(text).to_string(), wanted);
        assert_eq!(parse(wanted), parse(text));
    }
}

#[test]
fn next_change_is_the_crossing() {
    let row = Row::new(&[
        ("ReceivedAt", Value::Timestamp(1_000)),
        ("PlacedInQueueAt", Value::Timestamp(1_100)),
        ("Priority", Value::Integer(5)),
    ]);
    let at = |instant| NextChange { at: Some(instant), unpredictable: false };
    let unforeseen = |at| NextChange { at, unpredictable: true };
    for (text, wanted) in [
        ("Priority = 5", NextChange::NEVER),
        ("_age() > 300", at(1_301)),
        ("_age() >= 300", at(1_300)),
        ("_age() < 300", at(1_300)),
        ("300 <= _age()", at(1_300)),
        ("_age() = 300", at(1_300)),
        ("_age() <> 200", at(1_201)),
        ("_age() > 10", NextChange::NEVER),
        ("2 * _age() = 501", NextChange::NEVER),
        ("2 * _age() + 1 = 501", at(1_250)),
        ("_age() - _time_in_queue() = 100", NextChange::NEVER),
        ("_age() + _time_in_queue() > 1000", at(1_551)),
        ("_age() BETWEEN 300 AND 400", at(1_300)),
        ("_age() BETWEEN 100 AND 400", at(1_401)),
        ("_time_in_queue() IN (50, 150, 250)", at(1_250)),
        ("_current_time() > ReceivedAt + 3600", at(4_601)),
        ("_current_time() >= _timestamp('1970-01-02 00:00:00')", at(86_400)),
        ("_age() / 60 > 5", at(1_360)),
        ("_age() / 60 >= 5", at(1_300)),
        ("_age() / 60 = 3", at(1_240)),
        ("_age() / 60 = 4", at(1_240)),
        ("-_age() / 60 <= -4", at(1_240)),
        ("(100 - _time_in_queue()) / 60 >= 0", at(1_260)),
        ("6 <= _age() / 60 / 60", at(1_000 + 21_600)),
        ("61 * _age() / 60 = 243", NextChange::NEVER),
        ("_age() / 60 > _time_in_queue()", unforeseen(None)),
        ("_age() * _age() > 5", unforeseen(None)),
        ("_age() / 0 > 5", NextChange::NEVER),
        ("_current_time() > DeliveredAt", NextChange::NEVER),
        // A part that settles the whole hides the others.
        ("Priority = 6 AND _age() / 60 > 5", NextChange::NEVER),
        ("Priority = 5 AND _age() > 300", at(1_301)),
        ("Priority = 5 OR _age() > 300", NextChange::NEVER),
        ("_age() > 300 AND _age() > 400", at(1_401)),
        ("_age() > 300 OR _age() > 400", at(1_301)),
        // What is foreseen is not lost beside what is not.
        ("_time_in_queue() > 130 OR _age() * _age() > 100000", unforeseen(Some(1_231))),
        ("_time_in_queue() <= 130 AND _age() * _age() < 100000", unforeseen(Some(1_231))),
        ("_time_in_queue() > 130 AND _age() * _age() > 100000", at(1_231)),
        // It ends by overflow.
        ("_age() * 1000000000000000 > 0", at(1_000 + 9_224)),
    ] {
        assert_eq!(parse(text).next_change(&row, 1_200), wanted, "{text}");
    }
    assert!(parse("_age() > 1").depends_on_time());
    assert!(!parse("Priority > 1").depends_on_time());
}

#[test]
fn orders() {
    let key = |order: &str, priority: Value<'static>, queue: Value<'static>| {
        let row = Row::new(&[("Priority", priority), ("Queue", queue), ("SubmitSeq", Value::Integer(7))]);
        Order::parse(order, &schema()).unwrap().key(&row)
    };
    let (null, number, text) = (Value::Null, Value::Integer, Value::Text);
    for order in ["Priority", "Priority asc, SubmitSeq", "priority ASC, Queue", "Priority, SubmitSeq, IsHeld"]
    {
        assert!(key(order, number(-1), null) < key(order, number(1), null), "{order}");
        assert!(key(order, number(i64::MAX), null) < key(order, null, null), "{order}");
        let descending = order.replace("Priority", "priority desc").replace("priority ASC", "priority DESC");
        let descending = descending.replace("desc asc", "desc");
        assert!(key(&descending, number(-1), null) > key(&descending, number(1), null), "{descending}");
        assert!(key(&descending, number(i64::MAX), null) > key(&descending, null, null), "{descending}");
    }
    assert!(key("Queue, Priority", number(2), text("a")) < key("Queue, Priority", number(1), text("ab")));
    assert!(key("Queue desc", null, text("a")) > key("Queue desc", null, text("a\0")));
    assert_eq!(key("", number(1), null), key("SubmitSeq", number(2), null));
}

#[test]
fn orders_round_trip_and_tell_mistakes() {
    for (text, wanted) in [
        ("", ""),
        ("priority DESC,[submit_seq]", "Priority desc, SubmitSeq"),
        ("[Name with ]] spaces] asc, [and] desc", "[Name with ]] spaces], [and] desc"),
    ] {
        let order = Order::parse(text, &schema()).unwrap();
        assert_eq!(order.to_string(), wanted);
        assert_eq!(Order::parse(wanted, &schema()).unwrap(), order);
    }
    for (text, kind, offset, message) in [
        ("Prioritty", Kind::UnknownProperty, 0, "did you mean Priority?"),
        ("Priority down", Kind::TrailingText, 9, "expected asc, desc"),
        ("Priority desc,", Kind::Syntax, 14, "expected a property, found the end"),
        ("_age() desc", Kind::Syntax, 0, "functions are not possible"),
        ("1", Kind::Syntax, 0, "found the number 1"),
    ] {
        let error = Order::parse(text, &schema()).expect_err(text);
        let found = (error.kind, error.offset_bytes, error.message.as_str());
        assert!(found.0 == kind && found.1 == offset && found.2.contains(message), "{text}: {found:?}");
    }
}
