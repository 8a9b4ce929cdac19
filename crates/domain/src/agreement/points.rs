//! Points of a score.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Points in thousandths, so that sums are exact. On the wire a number with at most three decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Points(pub i64);

impl Points {
    /// Whole points.
    pub const fn whole(points: i64) -> Self {
        Self(points * 1000)
    }

    /// The whole points, rounded down.
    pub const fn floor(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The points that a number names, if it has at most three decimals.
    pub fn of(number: f64) -> Option<Self> {
        let thousandths = (number * 1000.0).round();
        // The quotient is the float next to the decimal, and so is the number where it was written with three decimals.
        (thousandths / 1000.0 == number).then_some(Self(thousandths as i64))
    }
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1000 == 0 {
            return serializer.serialize_i64(self.0 / 1000);
        }
        serializer.serialize_f64(self.0 as f64 / 1000.0)
    }
}

impl PartialSchema for Points {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Number))
            .description(Some("Points, with at most three decimals."))
            .examples([12.5])
            .into()
    }
}

impl ToSchema for Points {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Points")
    }
}
