//! Rows that are found in any of several ways.

use sea_orm::EntityTrait;
use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition, Query, SimpleExpr, UnionType};

/// The condition that a row has an id that any of these conditions finds; none finds nothing.
///
/// PostgreSQL asks every row of a table about an `OR` of subqueries. Of a union it asks an index for each part.
pub(crate) fn found_by_any<E: EntityTrait>(
    id: E::Column,
    ways: impl IntoIterator<Item: IntoCondition>,
) -> SimpleExpr {
    let select = |way| {
        let mut query = Query::select();
        query.column(id).from(E::default().table_ref()).cond_where(way);
        query
    };
    let mut ways = ways.into_iter().map(select);
    let Some(mut all) = ways.next() else {
        return Expr::value(false);
    };
    for way in ways {
        all.union(UnionType::All, way);
    }
    Expr::col(id).in_subquery(all)
}
