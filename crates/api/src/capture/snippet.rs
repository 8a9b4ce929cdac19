//! What a website pastes to send a form: plain HTML, and a script that sends any form of the page as JSON.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, Value};
use tandem_domain::capture::{FieldType, Form, FormField};

use super::page::escaped;

/// A form that works without JavaScript; with it, the page also says where the person was, and `tandem.js` who it is.
pub fn html(form: &Form, key: &str, address: &str) -> String {
    let mut text = format!(
        "<form method=\"post\" action=\"{}\" accept-charset=\"utf-8\" data-tandem-form=\"{}\">\n",
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
/// `tandem.js` knows of the visitor where the page has it. It then thanks or goes to the form's `redirect_url`, or marks the
/// fields that are wrong. The events `tandem:sent` and `tandem:refused`, whose `detail` is the answer, are dispatched before;
/// a page that shows the result by itself cancels them. Values of consent are sent as they are: the service decides which
/// grant it.
pub fn js(form: &Form, key: &str, address: &str) -> String {
    let redirect = json(&form.settings.redirect_url);
    let labels = json(&labels(form));
    format!(
        r#"(function () {{
  var form = document.querySelector('form[data-tandem-form="{key}"]');
  if (!form) return;
  var shown = new Date().toISOString();
  var redirect = {redirect}, labels = {labels};
  var isBusy = false;
  var isContext = /^_(visitor_id|page_url|page_title|referrer|landing_url|landing_referrer|language|rendered_at|submitted_at|charset_)$/;

  function display(text, isWrong) {{
    var place = form.querySelector("[data-tandem-said]");
    if (!place) {{
      place = document.createElement("p");
      place.setAttribute("data-tandem-said", "");
      place.setAttribute("tabindex", "-1");
      form.appendChild(place);
    }}
    place.setAttribute("role", isWrong ? "alert" : "status");
    place.textContent = text;
    return place;
  }}

  function fieldOf(pointer) {{
    var name = decodeURIComponent((pointer || "").replace(/^#\/(fields\/)?/, "")).replace(/~1/g, "/").replace(/~0/g, "~");
    return {{ name: name, input: name && form.elements.namedItem(name) }};
  }}

  function clean() {{
    [].forEach.call(form.querySelectorAll("[aria-invalid]"), function (input) {{
      input.removeAttribute("aria-invalid");
      input.removeAttribute("title");
    }});
  }}

  function refuse(answer) {{
    var first, lines = ((answer && answer.errors) || []).map(function (one) {{
      var field = fieldOf(one.pointer), input = field.input;
      if (input && input.length && !input.tagName) input = input[0];
      if (input && input.setAttribute) {{
        input.setAttribute("aria-invalid", "true");
        input.setAttribute("title", one.detail);
        first = first || input;
      }}
      return (labels[field.name] || "") + " " + one.detail;
    }});
    var place = display(lines.join("; ") || "This could not be sent. Please try again.", true);
    (first || place).focus();
  }}

  function thank() {{
    form.reset();
    if (redirect) location.assign(redirect);
    else display("Thank you. Your message has been received.").focus();
  }}

  function finish(name, answer, show) {{
    isBusy = false;
    clean();
    var event = new CustomEvent(name, {{ detail: answer, bubbles: true, cancelable: true }});
    if (form.dispatchEvent(event)) show(answer);
  }}

  form.addEventListener("submit", function (event) {{
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    var isTest = false, fields = {{}}, consent = [], context = {{
      page_url: location.href, page_title: document.title, referrer: document.referrer,
      language: navigator.language, rendered_at: shown
    }};
    new FormData(form).forEach(function (value, name) {{
      if (typeof value !== "string") return;
      if (name === "_test") isTest = !/^\s*(off|false|no|0)?\s*$/i.test(value);
      else if (isContext.test(name)) context[name.slice(1)] = value || context[name.slice(1)];
      else if (name.indexOf("_consent_") === 0) consent.push({{ purpose: name.slice(9), granted: value }});
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
        if (response.ok) finish("tandem:sent", answer, thank);
        else finish("tandem:refused", answer, refuse);
      }});
    }}).catch(function () {{
      finish("tandem:refused", null, refuse);
    }});
  }});
}})();
"#
    )
}

/// The labels of the fields, by name.
fn labels(form: &Form) -> Map<String, Value> {
    let label = |field: &FormField| (field.name.clone(), field.label.clone().into());
    form.fields.iter().map(label).collect()
}

/// A value as a script may hold it, also within a page.
fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    text.replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}
