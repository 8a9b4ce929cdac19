//! Touches: where a lead came from.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::instant::Timestamp;

/// One attributable visit or contact: where a lead came from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Touch {
    /// The channel: a known one, such as `organic_search`, or one of your channel rules. If omitted, it is derived from
    /// the other values, by your channel rules first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100, example = "paid_search")]
    pub channel: Option<String>,
    /// The source, such as `google`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, example = "google")]
    pub source: Option<String>,
    /// The medium, such as `cpc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, example = "cpc")]
    pub medium: Option<String>,
    /// The campaign, as named by `utm_campaign`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, example = "spring-sale")]
    pub campaign: Option<String>,
    /// The search term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub term: Option<String>,
    /// The content, as named by `utm_content`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub content: Option<String>,
    /// The click ids of ad networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_ids: Option<ClickIds>,
    /// The address of the page on which the visit began. Its `utm_*` parameters and click ids supply omitted members;
    /// it is stored without its query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 2048, example = "https://www.example.com/offer")]
    pub landing_url: Option<String>,
    /// The address of the page that linked to it, stored without its query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 2048)]
    pub referrer: Option<String>,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
}

impl Touch {
    /// Whether somebody or something led there: its channel is known, and is not `direct`.
    pub fn is_not_direct(&self) -> bool {
        self.channel.as_deref().is_some_and(|channel| channel != "direct")
    }
}

/// The click ids that ad networks add to the URLs of their ads, by the name of the parameter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClickIds {
    /// Google Ads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500, example = "Cj0KCQjw")]
    pub gclid: Option<String>,
    /// Google Ads, from an app on iOS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    pub gbraid: Option<String>,
    /// Google Ads, from the web on iOS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    pub wbraid: Option<String>,
    /// Meta; also on unpaid links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    pub fbclid: Option<String>,
    /// Microsoft Advertising.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    pub msclkid: Option<String>,
    /// LinkedIn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    pub li_fat_id: Option<String>,
    /// TikTok.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    pub ttclid: Option<String>,
}
