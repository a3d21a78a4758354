//! The values of a rule file, and how messages show them.

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Absent,
}

impl Value {
    /// The name of its type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "string",
            Value::Integer(_) => "int",
            Value::Bool(_) => "bool",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Absent => "NoneType",
        }
    }

    /// As it would be written.
    pub(super) fn shown(&self) -> String {
        let listed = |values: &[Value]| values.iter().map(Value::shown).collect::<Vec<_>>().join(", ");
        match self {
            Value::Text(text) => format!("{text:?}"),
            Value::Integer(number) => number.to_string(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::List(values) => format!("[{}]", listed(values)),
            Value::Tuple(values) if values.len() == 1 => format!("({},)", listed(values)),
            Value::Tuple(values) => format!("({})", listed(values)),
            Value::Absent => "None".to_owned(),
        }
    }

    /// The sum of two values; none when there is no such sum.
    pub(super) fn plus(self, other: Value) -> Option<Value> {
        match (self, other) {
            (Value::Text(one), Value::Text(other)) => Some(Value::Text(one + &other)),
            (Value::Integer(one), Value::Integer(other)) => one.checked_add(other).map(Value::Integer),
            (Value::List(one), Value::List(other)) => Some(Value::List([one, other].concat())),
            (Value::Tuple(one), Value::Tuple(other)) => Some(Value::Tuple([one, other].concat())),
            _ => None,
        }
    }
}
