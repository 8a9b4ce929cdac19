//! Pages of lists by keyset: the order, the place where a page ends, the number of all.

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::own::with_own;

/// Above this many rows a total is estimated.
const COUNTED: u64 = 10_000;

/// One page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub data: Vec<T>,
    /// Whether another follows.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// A page of at most `limit`, from one item more than that where there is one.
    pub fn of(mut data: Vec<T>, limit: u64) -> Self {
        let has_more = data.len() as u64 > limit;
        data.truncate(limit as usize);
        Self { data, has_more }
    }

    /// The page of what its rows stand for.
    pub fn read<R>(self, read: impl FnMut(T) -> Result<R, StoreError>) -> Result<Page<R>, StoreError> {
        let data: Result<Vec<R>, StoreError> = self.data.into_iter().map(read).collect();
        Ok(Page {
            data: data?,
            has_more: self.has_more,
        })
    }
}

/// What a row is compared by, where it is not the id alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// A number, or an instant in milliseconds.
    Number(i64),
    /// Text, by its bytes.
    Text(String),
}

/// Where a page ends and the next begins: the key, where the order has one, and the id.
pub type Position<I> = (Option<Key>, I);

/// The order of a list: by a column, then by id; by id alone where it has none.
#[derive(Debug, Clone, Copy)]
pub struct Keyset<C> {
    /// The column of the key.
    pub column: Option<C>,
    /// The column of the id.
    pub id: C,
    /// Whether the greatest comes first.
    pub descending: bool,
}

impl<C: ColumnTrait> Keyset<C> {
    /// In the order of ids.
    pub fn by_id(id: C) -> Self {
        Self {
            column: None,
            id,
            descending: false,
        }
    }

    /// In the order of ids, the newest first.
    pub fn newest_first(id: C) -> Self {
        Self {
            descending: true,
            ..Self::by_id(id)
        }
    }

    /// A page in the order of ids, behind one of them; `read` makes of a row what it stands for.
    pub async fn read<E, T, R>(
        &self,
        on: &impl Read,
        query: Select<E>,
        after: Option<Id<T>>,
        limit: u64,
        read: impl FnMut(E::Model) -> Result<R, StoreError>,
    ) -> Result<Page<R>, StoreError>
    where
        E: EntityTrait<Column = C>,
    {
        let query = self.page(query, after.map(|id| (None, id)), limit);
        Page::of(query.all(on.conn()).await?, limit).read(read)
    }

    /// The rows behind a position, in order, one more than the page takes.
    pub fn page<E, T>(&self, query: Select<E>, after: Option<Position<Id<T>>>, limit: u64) -> Select<E>
    where
        E: EntityTrait<Column = C>,
    {
        let mut query = query;
        if let Some((key, id)) = after {
            let (row, place): (SimpleExpr, SimpleExpr) = match self.column.zip(key) {
                Some((column, key)) => {
                    let key = match key {
                        Key::Number(number) => Expr::val(number),
                        Key::Text(text) => Expr::val(text),
                    };
                    (
                        Expr::tuple([Expr::col(column), Expr::col(self.id)]),
                        Expr::tuple([key, Expr::val(id.uuid())]),
                    )
                }
                None => (Expr::col(self.id), Expr::val(id.uuid())),
            };
            query = query.filter(if self.descending {
                row.lt(place)
            } else {
                row.gt(place)
            });
        }
        self.in_order(query).limit(limit + 1)
    }

    fn in_order<E: EntityTrait>(&self, query: Select<E>) -> Select<E> {
        let order = if self.descending { Order::Desc } else { Order::Asc };
        let mut query = query;
        if let Some(column) = self.column {
            query = query.order_by(column, order.clone());
        }
        query.order_by(self.id, order)
    }

    /// A page of records, each with its own rows ([`with_own`]), by one statement: the page is chosen by its keys first.
    pub(crate) async fn read_with<E, O, T, R>(
        &self,
        on: &impl Read,
        query: Select<E>,
        source: &str,
        after: Option<Position<Id<T>>>,
        limit: u64,
        read: impl FnMut((E::Model, Vec<O::Model>)) -> Result<R, StoreError>,
    ) -> Result<Page<R>, StoreError>
    where
        E: EntityTrait<Column = C>,
        O: EntityTrait,
        O::Model: DeserializeOwned,
    {
        let chosen = self.page(query, after, limit).select_only().column(self.id);
        let page = E::find().filter(self.id.in_subquery(chosen.into_query()));
        let rows = with_own::<E, O>(on, self.in_order(page), source).await?;
        Page::of(rows, limit).read(read)
    }
}

/// The least instant in a column that may be null: one look at its index, however many rows there are.
pub async fn earliest<E: EntityTrait>(
    on: &impl Read,
    column: E::Column,
) -> Result<Option<Timestamp>, StoreError> {
    let first: Option<Option<i64>> = E::find()
        .select_only()
        .column(column)
        .filter(column.is_not_null())
        .order_by_asc(column)
        .limit(1)
        .into_tuple()
        .one(on.conn())
        .await?;
    Ok(first.flatten().map(Timestamp::from_millis))
}

/// How many rows a list has in all, and whether the number is an estimate: exact up to 10,000.
pub async fn count<E: EntityTrait>(on: &impl Read, all: Select<E>) -> Result<(u64, bool), StoreError> {
    let all = all.select_only().expr(Expr::val(1i64));
    let some = all.clone().limit(COUNTED + 1).into_tuple::<i64>();
    let some = some.all(on.conn()).await?.len() as u64;
    if some <= COUNTED {
        return Ok((some, false));
    }
    let all = all.build(on.conn().get_database_backend());
    let estimate = dialect::estimate(on.conn(), all).await?;
    Ok((estimate.clamp(some, u64::MAX), true))
}
