//! Skill expressions: `English >= 3 & (Billing > 0 | "Credit Cards" > 0)`.
//!
//! `&` or `and` binds tighter than `|` or `or`. A skill that an agent does not have counts as level 0.

use std::collections::BTreeMap;

use crate::TextProblem;

/// Parentheses deeper than this are refused, so that no text can exhaust the stack.
const MAX_DEPTH: usize = 100;

/// A parsed skill expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillExpression(Node);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Compare(SkillComparison),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SkillComparison {
    skill: String,
    offset_bytes: usize,
    comparison: Comparison,
    level: u32,
}

/// How a level is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer signs before their own beginnings.
const COMPARISONS: [(&str, Comparison); 7] = [
    (">=", Comparison::GreaterOrEqual),
    ("<=", Comparison::LessOrEqual),
    ("!=", Comparison::NotEqual),
    ("<>", Comparison::NotEqual),
    (">", Comparison::Greater),
    ("<", Comparison::Less),
    ("=", Comparison::Equal),
];

impl Comparison {
    fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
        }
    }
}

impl SkillExpression {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// What is wrong, and at which byte of the text.
    pub fn parse(text: &str) -> Result<SkillExpression, TextProblem> {
        let mut parser = Parser { text, at: 0, depth: 0 };
        let node = parser.any()?;
        parser.skip_blanks();
        if parser.at < text.len() {
            return Err(parser.wrong("expected '&', '|' or the end"));
        }
        Ok(SkillExpression(node))
    }

    /// Whether an agent with these skills (name to level) matches. A missing skill has level 0.
    #[must_use]
    pub fn matches(&self, skills: &BTreeMap<String, u32>) -> bool {
        self.0.matches(skills)
    }

    /// Each skill that is named, with the byte of the text where it stands.
    #[must_use]
    pub fn skills(&self) -> Vec<(&str, usize)> {
        let mut found = Vec::new();
        self.0.collect_skills(&mut found);
        found
    }
}

impl Node {
    fn matches(&self, skills: &BTreeMap<String, u32>) -> bool {
        match self {
            Node::All(parts) => parts.iter().all(|part| part.matches(skills)),
            Node::Any(parts) => parts.iter().any(|part| part.matches(skills)),
            Node::Compare(SkillComparison { skill, comparison, level, .. }) => {
                comparison.holds(skills.get(skill).copied().unwrap_or(0), *level)
            }
        }
    }

    fn collect_skills<'a>(&'a self, found: &mut Vec<(&'a str, usize)>) {
        match self {
            Node::All(parts) | Node::Any(parts) => parts.iter().for_each(|part| part.collect_skills(found)),
            Node::Compare(comparison) => found.push((&comparison.skill, comparison.offset_bytes)),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Node, TextProblem> {
        self.joined("|", "or", Parser::all, Node::Any)
    }

    fn all(&mut self) -> Result<Node, TextProblem> {
        self.joined("&", "and", Parser::single, Node::All)
    }

    /// One or more parts with the sign or the word between them.
    fn joined(
        &mut self,
        sign: &str,
        word: &str,
        part: fn(&mut Self) -> Result<Node, TextProblem>,
        join: fn(Vec<Node>) -> Node,
    ) -> Result<Node, TextProblem> {
        let first = part(self)?;
        let mut rest = Vec::new();
        while self.take(sign) || self.take_word(word) {
            rest.push(part(self)?);
        }
        if rest.is_empty() {
            return Ok(first);
        }
        rest.insert(0, first);
        Ok(join(rest))
    }

    fn single(&mut self) -> Result<Node, TextProblem> {
        if !self.take("(") {
            return self.comparison();
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong("too many parentheses inside each other"));
        }
        let inner = self.any()?;
        self.depth -= 1;
        if self.take(")") { Ok(inner) } else { Err(self.wrong("expected ')'")) }
    }

    fn comparison(&mut self) -> Result<Node, TextProblem> {
        self.skip_blanks();
        let offset_bytes = self.at;
        let skill = self.name()?;
        let Some((_, comparison)) = COMPARISONS.iter().find(|(sign, _)| self.take(sign)) else {
            return Err(self.wrong("expected one of = != < <= > >= after the name of the skill"));
        };
        let level = self.level()?;
        Ok(Node::Compare(SkillComparison { skill, offset_bytes, comparison: *comparison, level }))
    }

    fn name(&mut self) -> Result<String, TextProblem> {
        if let Some(quote) = self.rest().chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let Some(length) = self.rest()[1..].find(quote) else {
                return Err(self.wrong(&format!("the name of the skill has no closing {quote}")));
            };
            let name = self.rest()[1..=length].to_owned();
            self.at += length + 2;
            return Ok(name);
        }
        let length = self.rest().find(|c: char| !is_name_character(c)).unwrap_or(self.rest().len());
        let name = &self.rest()[..length];
        if name.is_empty() || is_word(name) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.wrong("expected the name of a skill"));
        }
        let name = name.to_owned();
        self.at += length;
        Ok(name)
    }

    fn level(&mut self) -> Result<u32, TextProblem> {
        self.skip_blanks();
        let length = self.rest().find(|c: char| !is_name_character(c)).unwrap_or(self.rest().len());
        let Ok(level) = self.rest()[..length].parse() else {
            return Err(self.wrong("expected the level, a whole number"));
        };
        self.at += length;
        Ok(level)
    }

    fn take(&mut self, sign: &str) -> bool {
        self.skip_blanks();
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let length = rest.find(|c: char| !is_name_character(c)).unwrap_or(rest.len());
        let found = rest[..length].eq_ignore_ascii_case(word);
        if found {
            self.at += length;
        }
        found
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn wrong(&self, expected: &str) -> TextProblem {
        let found = match self.rest().split_whitespace().next() {
            None => ", found the end".to_owned(),
            Some(word) => format!(", found '{}'", word.chars().take(40).collect::<String>()),
        };
        TextProblem { offset_bytes: self.at, message: format!("{expected}{found}") }
    }
}

fn is_name_character(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

fn is_word(name: &str) -> bool {
    name.eq_ignore_ascii_case("and") || name.eq_ignore_ascii_case("or")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(expression: &str, skills: &[(&str, u32)]) -> bool {
        let skills = skills.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect();
        SkillExpression::parse(expression).unwrap().matches(&skills)
    }

    #[test]
    fn compares_levels() {
        for (expression, at_2, at_3, at_4) in [
            ("English = 3", false, true, false),
            ("English != 3", true, false, true),
            ("English <> 3", true, false, true),
            ("English<3", true, false, false),
            ("English <= 3", true, true, false),
            ("English > 3", false, false, true),
            (" English  >=  3 ", false, true, true),
        ] {
            let results = [2, 3, 4].map(|level| matches(expression, &[("English", level)]));
            assert_eq!(results, [at_2, at_3, at_4], "{expression}");
        }
    }

    #[test]
    fn and_binds_tighter_than_or() {
        let skills = [("A", 1)];
        assert!(matches("A > 0 | B > 0 & C > 0", &skills));
        assert!(!matches("(A > 0 | B > 0) & C > 0", &skills));
        assert!(matches("A > 0 OR B > 0 and C > 0", &skills));
    }

    #[test]
    fn a_missing_skill_is_level_0() {
        assert!(matches("Korean = 0", &[]));
        assert!(!matches("Korean > 0", &[]));
    }

    #[test]
    fn names_may_be_quoted_and_in_any_script() {
        assert!(matches("\"Credit Cards\" > 0 & 'or' > 0", &[("Credit Cards", 1), ("or", 1)]));
        assert!(matches("Français >= 2", &[("Français", 2)]));
        assert!(matches("Orders.Large > 1", &[("Orders.Large", 2)]));
    }

    #[test]
    fn tells_where_skills_stand() {
        let expression = SkillExpression::parse("A > 1 & ( \"B b\" < 2 | A = 0)").unwrap();
        assert_eq!(expression.skills(), vec![("A", 0), ("B b", 10), ("A", 22)]);
    }

    #[test]
    fn tells_where_a_mistake_is() {
        for (text, offset_bytes, message) in [
            ("", 0, "expected the name of a skill, found the end"),
            ("English", 7, "expected one of = != < <= > >= after the name of the skill, found the end"),
            ("English > x", 10, "expected the level, a whole number, found 'x'"),
            ("English > -1", 10, "expected the level, a whole number, found '-1'"),
            ("English > 3x", 10, "expected the level, a whole number, found '3x'"),
            ("é > 1 && B > 1", 8, "expected the name of a skill, found '&'"),
            ("(A > 1", 6, "expected ')', found the end"),
            ("A > 1 )", 6, "expected '&', '|' or the end, found ')'"),
            ("A > 1 and", 9, "expected the name of a skill, found the end"),
            ("'A > 1", 0, "the name of the skill has no closing ', found ''A'"),
        ] {
            let problem = SkillExpression::parse(text).unwrap_err();
            assert_eq!((problem.offset_bytes, problem.message.as_str()), (offset_bytes, message), "{text}");
        }
    }

    #[test]
    fn deep_parentheses_are_refused_not_followed() {
        let deep = |depth: usize| format!("{}A > 0{}", "(".repeat(depth), ")".repeat(depth));
        SkillExpression::parse(&deep(MAX_DEPTH)).unwrap();
        SkillExpression::parse(&deep(100_000)).unwrap_err();
    }
}
