//! Chance that repeats itself, and the words that it draws from.

use serde_json::{Map, Value, json};

/// Chance that repeats itself: splitmix64.
pub struct Chance(pub u64);

impl Chance {
    /// A number below `most`.
    pub fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most as u64) as usize
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// What is said about a lead, sometimes wrongly.
    pub fn lead(&mut self) -> Value {
        let mut lead = self.words();
        let number = self.below(260);
        match self.below(8) {
            0 => lead.insert("external_id".into(), json!({"system": "crm", "id": format!("{number}")})),
            1 => lead.insert("phone".into(), json!(format!("+39 02 1234 {:04}", 1000 + number))),
            2 => {
                lead.insert("email".into(), json!(["not an address", "", "a@b", "Ä@exämple.com"][number % 4]))
            }
            _ => lead.insert(
                "email".into(),
                json!(format!("{}{number}@Firm{}.example", ["ada", "Bob"][number % 2], number % 9)),
            ),
        };
        if self.below(5) == 0 {
            lead.insert(
                "external_ids".into(),
                json!([{"system": "shop", "id": format!("s{}", self.below(90))}]),
            );
        }
        if self.below(3) == 0 {
            let touch = json!({
                "source": self.pick(&["google", "bing", "newsletter", "Ünïcode"]),
                "channel": self.pick(&["paid_search", "email", "organic_search"]),
            });
            lead.insert("first_touch".into(), touch);
        }
        if self.below(6) == 0 {
            let millis = self.below(900_000);
            lead.insert(
                "observed_at".into(),
                json!(format!(
                    "2026-03-02T08:{:02}:{:02}.{:03}Z",
                    millis / 60_000,
                    millis / 1000 % 60,
                    millis % 1000
                )),
            );
        }
        Value::Object(lead)
    }

    /// Fields of a lead.
    pub fn words(&mut self) -> Map<String, Value> {
        let mut words = Map::new();
        let all = [
            ("first_name", ["Ada", "Zoë", "Ådne", "李 小龙", "نورا", "🦊 Fox", "O'Neil", "  trim  "]),
            ("last_name", ["Lovelace", "Müller", "ß", "İstanbul", "ﬁne", "e\u{301}clair", "éclair", "שלום"]),
            (
                "job_title",
                ["CEO", "\"quoted\"", "a\\b", "%_", "naïve", "\u{1F469}\u{200D}\u{1F4BB}", "tab\tinside", ""],
            ),
            ("country", ["gb", "IT", "BR", "ch", "xx", "FR", "DE", "IT"]),
            (
                "need",
                ["one", "two lines\nof text", "{\"json\": 1}", "<b>", "'; --", "null", "0", "\u{202E}rtl"],
            ),
        ];
        for (name, values) in all {
            match self.below(4) {
                0 | 1 => drop(words.insert(name.into(), json!(self.pick(&values)))),
                2 if self.below(5) == 0 => drop(words.insert(name.into(), Value::Null)),
                _ => {}
            }
        }
        if self.below(4) == 0 {
            let company = match self.below(3) {
                0 => json!({"name": self.pick(&["Exämple Ltd", "firm", "東京 KK", "Ça va"])}),
                1 => {
                    json!({"domain": format!("Firm{}.example", self.below(9)), "employees": self.below(500)})
                }
                _ => {
                    json!({"domain": format!("www.firm{}.example", self.below(9)), "industry": "retail"})
                }
            };
            words.insert("company".into(), company);
        }
        if self.below(5) == 0 {
            let custom = match self.below(4) {
                0 => json!({"segment": "gold"}),
                1 => json!({"size": self.below(100), "score": 1.5}),
                2 => json!({"size": null, "birthday": "2026-02-30"}),
                _ => json!({"unknown": true, "birthday": "1815-12-10"}),
            };
            words.insert("custom".into(), custom);
        }
        words
    }

    /// Words to look for, percent-encoded.
    pub fn word(&mut self) -> String {
        let words = [
            "ada",
            "ADA fi",
            "zoe",
            "muller",
            "MÜLLER",
            "李",
            "نور",
            "🦊",
            "o'neil",
            "e\u{301}cl",
            "ECLAIR",
            "ss",
            "istanbul",
            "fine",
            "firm1.example",
            "@firm2",
            "1234",
            "02 1234 1010",
            "234",
            "%",
            "_",
            "\\",
            "exam",
            "東京",
            "ca va",
            "bob ada",
            "-",
            "שלום",
        ];
        let word: &&str = self.pick(&words);
        encoded(word)
    }
}

fn encoded(text: &str) -> String {
    let byte = |b: u8| {
        if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") }
    };
    text.bytes().map(byte).collect()
}
