//! What winning customers costs: the campaigns, and what the company states of each month beside them.

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::period::Days;
use crate::fault::Fault;
use crate::instant::Day;
use crate::money::{Currency, Money, Rates};

/// The most months that costs are stated of.
pub const MOST_MONTHS: usize = 1200;

/// The costs of a month beside the campaigns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MonthCosts {
    /// The calendar month.
    #[schema(
        min_length = 7,
        max_length = 7,
        pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$",
        example = "2026-05"
    )]
    pub month: String,
    /// Marketing's costs without campaigns, such as people and tools; `null` means unknown.
    #[schema(required = true)]
    pub marketing: Option<Money>,
    /// Sales' costs; `null` means unknown.
    #[schema(required = true)]
    pub sales: Option<Money>,
}

/// The monthly costs beside the campaigns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CostSettings {
    /// The months, in order.
    #[schema(max_items = 1200)]
    pub months: Vec<MonthCosts>,
}

impl MonthCosts {
    fn first_day(&self) -> Option<Date> {
        format!("{}-01", self.month).parse::<Day>().ok().map(Day::date)
    }
}

impl CostSettings {
    /// The same with what is stated of one month: it replaces what was stated of it; with nothing known the month goes.
    pub fn with(mut self, stated: MonthCosts) -> Result<Self, Vec<Fault>> {
        let mut faults = vec![];
        if stated.first_day().is_none() {
            faults.push(Fault::new(
                "/month",
                "invalid_format",
                "must be a month such as 2026-05",
            ));
        }
        self.months.retain(|known| known.month != stated.month);
        if stated.marketing.is_some() || stated.sales.is_some() {
            self.months.push(stated);
        }
        if self.months.len() > MOST_MONTHS {
            faults.push(Fault::new(
                "/month",
                "not_allowed",
                "costs of 1,200 months have been set already",
            ));
        }
        self.months.sort_by(|one, other| one.month.cmp(&other.month));
        match faults.is_empty() {
            true => Ok(self),
            false => Err(faults),
        }
    }
}

/// What some days cost, in minor units of the base currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Costs {
    /// The campaigns.
    pub campaigns: i64,
    /// Marketing beside the campaigns.
    pub marketing: i64,
    /// Sales.
    pub sales: i64,
    /// Whether something is missing: a month of which nothing was stated, or an amount without an exchange rate.
    pub is_incomplete: bool,
}

impl Costs {
    /// All of them.
    pub const fn sum(self) -> i64 {
        self.campaigns + self.marketing + self.sales
    }
}

/// What some days cost. `campaigns` is what was spent on them, by day. Of a month that lies in them in part its costs count
/// by days, rounded to the minor unit, half up. An amount is converted at the rate of its day, or of the first of its month.
/// Days without a beginning or an end are incomplete.
pub fn costs(
    days: &Days,
    campaigns: &[(Day, Money)],
    stated: &CostSettings,
    (base, rates): (Currency, &Rates),
) -> Costs {
    let mut costs = Costs::default();
    let convert = |money: Money, on: Day| {
        rates
            .convert(money, base, on)
            .ok()
            .map(|found| found.money.amount)
    };
    for (on, money) in campaigns {
        let amount = convert(*money, *on);
        costs.is_incomplete |= amount.is_none();
        costs.campaigns += amount.unwrap_or_default();
    }
    let (Some(first), Some(next)) = (days.first, days.next) else {
        costs.is_incomplete = true;
        return costs;
    };
    let mut month = first.first_of_month();
    while month < next {
        let Ok(following) = month.checked_add(1.month()) else {
            break;
        };
        let of_month = stated
            .months
            .iter()
            .find(|known| known.first_day() == Some(month));
        let part = |money: Option<Money>| {
            let amount = convert(money?, Day::try_from(month).ok()?)?;
            let all = days_between(month, following)?;
            let own = days_between(month.max(first), following.min(next))?;
            i64::try_from((i128::from(amount) * own * 2 + all).div_euclid(2 * all)).ok()
        };
        let marketing = of_month.and_then(|stated| part(stated.marketing));
        let sales = of_month.and_then(|stated| part(stated.sales));
        costs.is_incomplete |= marketing.is_none() || sales.is_none();
        costs.marketing += marketing.unwrap_or_default();
        costs.sales += sales.unwrap_or_default();
        month = following;
    }
    costs
}

fn days_between(from: Date, to: Date) -> Option<i128> {
    Some(i128::from(from.until(to).ok()?.get_days()))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::*;

    fn euros(amount: i64) -> Option<Money> {
        Some(Money {
            amount,
            currency: Currency::EUR,
        })
    }

    fn month(month: &str, marketing: Option<Money>, sales: Option<Money>) -> MonthCosts {
        MonthCosts {
            month: month.into(),
            marketing,
            sales,
        }
    }

    fn days(first: Option<Date>, next: Option<Date>) -> Days {
        Days::between(first, next, &TimeZone::UTC).unwrap()
    }

    fn of(days: &Days, stated: &CostSettings) -> Costs {
        let spent = [("2026-02-10".parse().unwrap(), euros(7).unwrap())];
        costs(days, &spent, stated, (Currency::EUR, &Rates::default()))
    }

    #[test]
    fn a_month_counts_by_its_days_and_a_missing_one_is_reported() {
        let stated = CostSettings::default();
        let stated = stated.with(month("2026-02", euros(2800), euros(1))).unwrap();
        let stated = stated.with(month("2026-01", euros(100), euros(10))).unwrap();
        let known = |costs: Costs| (costs.campaigns, costs.marketing, costs.sales, costs.is_incomplete);

        let february = days(Some(date(2026, 2, 1)), Some(date(2026, 3, 1)));
        assert_eq!(known(of(&february, &stated)), (7, 2800, 1, false));
        let part = days(Some(date(2026, 1, 17)), Some(date(2026, 2, 15)));
        assert_eq!(
            known(of(&part, &stated)),
            (7, 48 + 1400, 5 + 1, false),
            "15 of 31 days, and 14 of 28"
        );
        let more = days(Some(date(2026, 2, 1)), Some(date(2026, 3, 2)));
        assert_eq!(known(of(&more, &stated)), (7, 2800, 1, true));
        let open = days(None, Some(date(2026, 3, 1)));
        assert!(of(&open, &stated).is_incomplete);
        let half = stated.with(month("2026-02", None, euros(1))).unwrap();
        assert_eq!(known(of(&february, &half)), (7, 0, 1, true));
    }

    #[test]
    fn what_is_stated_again_replaces_and_what_is_unknown_goes() {
        let stated = CostSettings::default()
            .with(month("2026-02", euros(1), None))
            .unwrap();
        let stated = stated.with(month("2026-01", euros(2), None)).unwrap();
        let stated = stated.with(month("2026-02", euros(3), euros(4))).unwrap();
        let eur = |amount: i64| json!({"amount": amount, "currency": "EUR"});
        let expected = json!([
            {"month": "2026-01", "marketing": eur(2), "sales": null},
            {"month": "2026-02", "marketing": eur(3), "sales": eur(4)},
        ]);
        assert_eq!(json!(stated.months), expected);
        assert_eq!(stated.with(month("2026-01", None, None)).unwrap().months.len(), 1);
        assert!(
            CostSettings::default()
                .with(month("0000-01", euros(1), None))
                .is_err()
        );
    }

    #[test]
    fn an_amount_without_a_rate_is_missing() {
        let money = Money {
            amount: 5,
            currency: "NOK".parse().unwrap(),
        };
        let february = days(Some(date(2026, 2, 1)), Some(date(2026, 2, 1)));
        let spent = [("2026-02-10".parse().unwrap(), money)];
        let found = costs(
            &february,
            &spent,
            &CostSettings::default(),
            (Currency::EUR, &Rates::default()),
        );
        assert!(found.is_incomplete && found.sum() == 0);
    }
}
