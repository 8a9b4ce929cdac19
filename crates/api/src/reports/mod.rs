//! What came of it, as figures, each with the records behind it.

mod alignment;
mod answer;
mod attribution;
mod calibration;
mod campaigns;
mod chart;
mod churns;
mod content;
mod customers;
mod deals;
mod endings;
mod forecast;
mod funnel;
mod handoffs;
mod kpis;
mod leakage;
mod objections;
mod quotes;
mod rejections;
mod request;
mod response_times;
mod reviews;
mod sla;

use crate::edge::http::services::Services;
use crate::edge::room::{PathRule, Room, Time};

/// This room.
pub const ROOM: Room = Room {
    paths: &[
        PathRule {
            time: Time::Configured,
            ..PathRule::of("/v1/reports/")
        },
        PathRule {
            time: Time::Configured,
            ..PathRule::of("/v1/reviews")
        },
    ],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config
        .service(content::get_content_report)
        .service(content::list_content_evidence)
        .service(attribution::get_attribution)
        .service(attribution::list_attribution_evidence)
        .service(calibration::get_score_calibration)
        .service(campaigns::get_campaigns_report)
        .service(campaigns::evidence::list_cost_evidence)
        .service(campaigns::evidence::list_conversation_evidence)
        .service(churns::get_churns)
        .service(customers::list_customer_evidence)
        .service(customers::list_follow_up_evidence)
        .service(endings::get_losses)
        .service(endings::get_wins)
        .service(forecast::get_forecast)
        .service(funnel::get_funnel)
        .service(funnel::list_funnel_evidence)
        .service(handoffs::list_handoff_evidence)
        .service(kpis::get_kpis)
        .service(kpis::change::get_kpi_change)
        .service(deals::list_deal_evidence)
        .service(leakage::get_leakage)
        .service(leakage::list_leakage_evidence)
        .service(objections::get_objections_report)
        .service(objections::list_objection_evidence)
        .service(quotes::list_quote_evidence)
        .service(rejections::get_rejections)
        .service(response_times::get_response_times)
        .service(sla::get_sla)
        .service(sla::list_sla_evidence)
        .service(alignment::get_alignment);
    reviews::configure(config);
}
