//! Conditions and orders mean in memory what they mean in a real PostgreSQL.
#![allow(clippy::expect_used, clippy::panic, reason = "functions beside the tests fail them too")]

mod generator;
mod postgres;

use std::fmt::Write;

use generator::row::Row;
use generator::text::literal;
use generator::{Condition, Flavour, Generator, PROPERTIES, Term};
use ixn_conditions::{Order, Schema, Truth, Value, ValueType};
use postgres::TestDatabase;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row as _};

const ROWS: usize = 150;
const CONDITIONS: u64 = 3_000;
const ORDERS: u64 = 300;

/// What a bigint cannot hold is NULL, and so is a division by zero.
const ARITHMETIC: &str = "
    create function fit(numeric) returns bigint immutable language sql as
        $$ select case when $1 between -9223372036854775808 and 9223372036854775807 then $1::bigint end $$;
    create function add(bigint, bigint) returns bigint immutable language sql as
        $$ select fit($1::numeric + $2::numeric) $$;
    create function subtract(bigint, bigint) returns bigint immutable language sql as
        $$ select fit($1::numeric - $2::numeric) $$;
    create function multiply(bigint, bigint) returns bigint immutable language sql as
        $$ select fit($1::numeric * $2::numeric) $$;
    create function divide(bigint, bigint) returns bigint immutable language sql as
        $$ select case when $2 = 0 or $2 = -1 then fit(- $1::numeric / nullif(- $2, 0)) else $1 / $2 end $$;
    create function seconds(timestamptz) returns bigint immutable language sql as
        $$ select extract(epoch from $1)::bigint $$;";

#[tokio::test]
async fn memory_and_postgres_agree() {
    let mut database = TestDatabase::create().await;
    let outcome = agree(&mut database.connection).await;
    database.drop_database().await;
    if let Err(difference) = outcome {
        panic!("{difference}");
    }
}

async fn agree(connection: &mut PgConnection) -> Result<(), String> {
    let schema = generator::schema();
    sql(connection, "set timezone = 'UTC'").await?;
    sql(connection, ARITHMETIC).await?;

    let mut seen = [0; 3];
    let rows = fill(connection, &schema, Flavour::Full).await?;
    for seed in 0..CONDITIONS {
        let mut generator = Generator::new(seed, Flavour::Full);
        let condition = generator.condition(3);
        let text = generator.text(&condition);
        let now_seconds = generator.seconds();
        let translated = condition_sql(&condition, now_seconds);
        compare(connection, &schema, &rows, &text, &translated, now_seconds, &mut seen).await?;
    }
    for seed in 0..ORDERS {
        compare_order(connection, &schema, &rows, seed).await?;
    }

    // The same text, word for word, in both.
    let rows = fill(connection, &schema, Flavour::Plain).await?;
    for seed in 0..CONDITIONS {
        let mut generator = Generator::new(seed, Flavour::Plain);
        let condition = generator.condition(4);
        let text = generator.text(&condition);
        compare(connection, &schema, &rows, &text, &text, 0, &mut seen).await?;
    }
    // The comparison is worth something only when every truth value occurs often.
    let total: u64 = seen.iter().sum();
    if seen.iter().all(|count| *count > total / 8) { Ok(()) } else { Err(format!("one-sided: {seen:?}")) }
}

async fn sql(connection: &mut PgConnection, statement: &str) -> Result<(), String> {
    let done = connection.execute(AssertSqlSafe(statement.to_owned())).await;
    done.map(drop).map_err(|error| format!("{error}: {statement}"))
}

/// Makes the table anew, with random rows, and returns these; a row's id is its position.
async fn fill(connection: &mut PgConnection, schema: &Schema, flavour: Flavour) -> Result<Vec<Row>, String> {
    let mut columns = String::from("id bigint");
    for (_, column, value_type) in PROPERTIES {
        let sql_type = match value_type {
            ValueType::Integer => "bigint",
            ValueType::Text => "text collate \"C\"",
            ValueType::Timestamp => "timestamptz",
        };
        write!(columns, ", {column} {sql_type}").map_err(|error| error.to_string())?;
    }
    sql(connection, "drop table if exists interactions").await?;
    sql(connection, &format!("create table interactions ({columns})")).await?;
    let mut generator = Generator::new(ROWS as u64, flavour);
    let rows: Vec<Row> = (0..ROWS).map(|_| generator.row(schema)).collect();
    for (id, row) in rows.iter().enumerate() {
        let values: Vec<String> = row.values.iter().map(|(_, value)| value_sql(*value)).collect();
        sql(connection, &format!("insert into interactions values ({id}, {})", values.join(", "))).await?;
    }
    sql(connection, "analyze interactions").await?;
    Ok(rows)
}

fn value_sql(value: Value<'_>) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Integer(value) => format!("'{value}'"),
        Value::Text(text) => literal(text),
        Value::Timestamp(seconds) => format!("to_timestamp({seconds})"),
    }
}

async fn compare(
    connection: &mut PgConnection,
    schema: &Schema,
    rows: &[Row],
    text: &str,
    translated: &str,
    now_seconds: i64,
    seen: &mut [u64; 3],
) -> Result<(), String> {
    let condition =
        ixn_conditions::Condition::parse(text, schema).map_err(|error| format!("{error}: {text}"))?;
    let statement = format!("select ({translated}) from interactions order by id");
    let found = sqlx::query(AssertSqlSafe(statement))
        .persistent(false)
        .fetch_all(connection)
        .await
        .map_err(|error| format!("{error}\ncondition: {text}\nSQL: {translated}"))?;
    assert_eq!(found.len(), rows.len());
    for (row, found) in rows.iter().zip(found) {
        let wanted = match found.get::<Option<bool>, _>(0) {
            Some(value) => Truth::from(value),
            None => Truth::Unknown,
        };
        seen[wanted as usize] += 1;
        let actual = condition.evaluate(row, now_seconds);
        if actual != wanted {
            return Err(format!(
                "PostgreSQL says {wanted:?}, memory {actual:?}\ncondition: {text}\nparsed: {condition}\n\
                 SQL: {translated}\nnow: {now_seconds}\nrow: {row:?}"
            ));
        }
    }
    Ok(())
}

async fn compare_order(
    connection: &mut PgConnection,
    schema: &Schema,
    rows: &[Row],
    seed: u64,
) -> Result<(), String> {
    let mut generator = Generator::new(seed, Flavour::Full);
    let (mut texts, mut columns) = (Vec::new(), String::new());
    for (property, descending) in generator.order() {
        let ascending = generator.pick(&["", " asc", " ASC"]);
        let direction = if descending { " desc" } else { ascending };
        texts.push(format!("{}{direction}", generator.name(property)));
        write!(columns, "{}{direction}, ", PROPERTIES[property].1).map_err(|error| error.to_string())?;
    }
    let text = texts.join(", ");
    let order = Order::parse(&text, schema).map_err(|error| format!("{error}: {text}"))?;
    let mut actual: Vec<usize> = (0..rows.len()).collect();
    actual.sort_by_cached_key(|id| (order.key(&rows[*id]), *id));
    let statement = format!("select id from interactions order by {columns} id");
    let wanted: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(statement))
        .persistent(false)
        .fetch_all(connection)
        .await
        .map_err(|error| format!("{error}: {columns}"))?;
    if actual.iter().map(|id| *id as i64).eq(wanted.iter().copied()) {
        Ok(())
    } else {
        Err(format!("order {text}: PostgreSQL gives {wanted:?}, memory {actual:?}"))
    }
}

fn condition_sql(condition: &Condition, now_seconds: i64) -> String {
    let condition_of = |part: &Condition| condition_sql(part, now_seconds);
    let term = |term: &Term| term_sql(term, now_seconds);
    let not = |negated: bool| if negated { "not" } else { "" };
    match condition {
        Condition::And(parts) => {
            format!("({})", parts.iter().map(condition_of).collect::<Vec<_>>().join(" and "))
        }
        Condition::Or(parts) => {
            format!("({})", parts.iter().map(condition_of).collect::<Vec<_>>().join(" or "))
        }
        Condition::Not(operand) => format!("(not {})", condition_of(operand)),
        Condition::Compare(operator, left, right) => {
            format!("({} {operator} {})", term(left), term(right))
        }
        Condition::Between(negated, operand, low, high) => {
            format!("({} {} between {} and {})", term(operand), not(*negated), term(low), term(high))
        }
        Condition::In(negated, operand, list) => {
            let list: Vec<String> = list.iter().map(term).collect();
            format!("({} {} in ({}))", term(operand), not(*negated), list.join(", "))
        }
        Condition::Like(negated, operand, pattern, escape) => {
            let escape = escape.map_or_else(String::new, |escape| format!("escape {}", literal(escape)));
            format!("({} {} like {} {escape})", term(operand), not(*negated), literal(pattern))
        }
        Condition::IsNull(negated, operand) => format!("({} is {} null)", term(operand), not(*negated)),
    }
}

fn term_sql(term: &Term, now_seconds: i64) -> String {
    let inner = |term: &Term| term_sql(term, now_seconds);
    match term {
        Term::Integer(value) => format!("'{value}'::bigint"),
        Term::Text(text) => format!("{}::text", literal(text)),
        Term::Timestamp(time) => format!("seconds('{}Z'::timestamptz)", time.trim_end_matches('Z')),
        Term::Property(property) => match PROPERTIES[*property] {
            (_, column, ValueType::Timestamp) => format!("seconds({column})"),
            (_, column, _) => column.into(),
        },
        Term::Age => format!("subtract({now_seconds}, seconds(coalesce(received_at, submitted_at)))"),
        Term::TimeInQueue => format!("subtract({now_seconds}, seconds(placed_in_queue_at))"),
        Term::CurrentTime => format!("{now_seconds}::bigint"),
        Term::Negate(operand) => format!("subtract(0, {})", inner(operand)),
        Term::Arithmetic(operator, left, right) => {
            let function = match operator {
                '+' => "add",
                '-' => "subtract",
                '*' => "multiply",
                _ => "divide",
            };
            format!("{function}({}, {})", inner(left), inner(right))
        }
    }
}
