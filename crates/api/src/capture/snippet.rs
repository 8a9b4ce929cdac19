//! What a website pastes to send a form: plain HTML, and a script that sends any form of the page as JSON.

use std::fmt::Write;

use tandem_domain::capture::{FieldType, Form, FormField};

use super::page::escaped;

/// A form that works without JavaScript; with it, the page also says where the person was, and `tandem.js` who it is.
pub fn html(form: &Form, key: &str, address: &str) -> String {
    let mut text = format!(
        "<form method=\"post\" action=\"{}\" data-tandem-form=\"{}\">\n",
        escaped(address),
        escaped(key)
    );
    for field in &form.fields {
        let _ = writeln!(text, "  {}", input(field));
    }
    for consent in &form.settings.consent {
        let required = if consent.required { " required" } else { "" };
        let _ = writeln!(
            text,
            "  <label><input type=\"checkbox\" name=\"_consent_{}\" value=\"1\"{required}> {}</label>",
            escaped(&consent.purpose),
            escaped(&consent.wording)
        );
    }
    if let Some(name) = &form.settings.honeypot_field {
        let _ = writeln!(
            text,
            "  <input name=\"{}\" tabindex=\"-1\" autocomplete=\"off\" aria-hidden=\"true\" style=\"position:absolute;left:-9999px\">",
            escaped(name)
        );
    }
    for name in ["_page_url", "_referrer", "_rendered_at"] {
        let _ = writeln!(text, "  <input type=\"hidden\" name=\"{name}\">");
    }
    text.push_str("  <button>Send</button>\n</form>\n");
    // Only the last form of the page up to here is meant.
    text.push_str(
        "<script>\n(function (form) {\n  form._page_url.value = location.href;\n  form._referrer.value = document.referrer;\n\
         \x20 form._rendered_at.value = new Date().toISOString();\n\
         })(document.forms[document.forms.length - 1]);\n</script>\n",
    );
    text
}

fn input(field: &FormField) -> String {
    let (name, label) = (escaped(&field.name), escaped(&field.label));
    let required = if field.required { " required" } else { "" };
    let kind = match field.kind {
        FieldType::Textarea => {
            return format!("<label>{label} <textarea name=\"{name}\"{required}></textarea></label>");
        }
        FieldType::Hidden => return format!("<input type=\"hidden\" name=\"{name}\">"),
        FieldType::Checkbox => {
            return format!(
                "<label><input type=\"checkbox\" name=\"{name}\" value=\"1\"{required}> {label}</label>"
            );
        }
        FieldType::Text | FieldType::Select => "text",
        FieldType::Email => "email",
        FieldType::Phone => "tel",
        FieldType::Number => "number\" step=\"any",
        FieldType::Date => "date",
    };
    format!("<label>{label} <input type=\"{kind}\" name=\"{name}\"{required}></label>")
}

/// A script for `<form data-tandem-form="fk_...">`: it sends the form as JSON and stays on the page, with what
/// `tandem.js` tells of the visitor where the page has it. It tells the form what became of it by the events
/// `tandem:sent` and `tandem:refused`, whose `detail` is the answer.
pub fn js(key: &str, address: &str) -> String {
    format!(
        r#"(function () {{
  var form = document.querySelector('form[data-tandem-form="{key}"]');
  if (!form) return;
  var shown = new Date().toISOString();
  var no = /^\s*(off|false|no|0)?\s*$/i;
  var told = /^_(visitor_id|page_url|page_title|referrer|landing_url|landing_referrer|language|rendered_at|submitted_at)$/;
  form.addEventListener("submit", function (event) {{
    event.preventDefault();
    var isTest = false, fields = {{}}, consent = [], context = {{
      page_url: location.href, page_title: document.title, referrer: document.referrer,
      language: navigator.language, rendered_at: shown
    }};
    new FormData(form).forEach(function (value, name) {{
      if (typeof value !== "string") return;
      if (name === "_test") isTest = !no.test(value);
      else if (told.test(name)) context[name.slice(1)] = value || context[name.slice(1)];
      else if (name.indexOf("_consent_") === 0) consent.push({{ purpose: name.slice(9), granted: !no.test(value) }});
      else fields[name] = name in fields ? [].concat(fields[name], value) : value;
    }});
    fetch("{address}", {{
      method: "POST",
      headers: {{ "Content-Type": "application/json" }},
      body: JSON.stringify({{
        fields: fields,
        visitor_id: context.visitor_id,
        consent: consent,
        context: context,
        test: isTest,
        submitted_at: new Date().toISOString()
      }})
    }}).then(function (response) {{
      return response.json().then(function (answer) {{
        var name = response.ok ? "tandem:sent" : "tandem:refused";
        form.dispatchEvent(new CustomEvent(name, {{ detail: answer }}));
      }});
    }}).catch(function () {{
      form.dispatchEvent(new CustomEvent("tandem:refused", {{ detail: null }}));
    }});
  }});
}})();
"#
    )
}
