//! Turns the tutorial's Markdown into HTML.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// Plain text as HTML, with `<`, `>` and `&` escaped.
pub(super) fn html_of_text(text: &str) -> String {
    let mut out = String::new();
    html::push_html(&mut out, std::iter::once(Event::Text(text.into())));
    out
}

/// Markdown as HTML. `address_of` gives the address for a link; a link for which it gives `None` becomes
/// plain text.
pub(super) fn html_of(markdown: &str, address_of: impl Fn(&str) -> Option<String>) -> String {
    let mut events: Vec<Event> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
    name_headings(&mut events);
    let mut in_removed_link = false;
    let mut in_comment = false;
    let events = events.into_iter().filter_map(|event| match event {
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let Some(address) = address_of(&dest_url) else {
                in_removed_link = true;
                return None;
            };
            Some(Event::Start(Tag::Link { link_type, dest_url: address.into(), title, id }))
        }
        Event::End(TagEnd::Link) if std::mem::take(&mut in_removed_link) => None,
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            let address = address_of(&dest_url).unwrap_or_default();
            Some(Event::Start(Tag::Image { link_type, dest_url: address.into(), title, id }))
        }
        // Comments direct the tests that write the text; its readers do not need them.
        Event::Html(html) if in_comment || html.starts_with("<!--") => {
            in_comment = !html.contains("-->");
            None
        }
        other => Some(other),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    for cell in ["td", "th"] {
        // The pages' Content-Security-Policy forbids `style` attributes, so a class says the same.
        for side in ["left", "center", "right"] {
            let style = format!("<{cell} style=\"text-align: {side}\">");
            out = out.replace(&style, &format!("<{cell} class=\"{side}\">"));
        }
    }
    // A wide table scrolls inside a box of its own, so that the page stays in place.
    out.replace("<table>", "<div class=\"scroller\"><table>").replace("</table>", "</table></div>")
}

/// Gives each heading the id that code hosts give it, so that a link to a heading works in both places.
fn name_headings(events: &mut [Event<'_>]) {
    for n in 0..events.len() {
        if !matches!(events[n], Event::Start(Tag::Heading { .. })) {
            continue;
        }
        let inside = events[n + 1..].iter();
        let inside = inside.take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
        let words = inside.filter_map(|event| match event {
            Event::Text(text) | Event::Code(text) => Some(&**text),
            _ => None,
        });
        let text = words.collect::<String>().trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let name: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[n] {
            *id = Some(CowStr::from(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_a_page_without_styles_of_its_own() {
        let text = "# A `b`: c!\n\n<!-- code: x -->\n<!-- a\nb\n-->\n```rust\na < b && \"c\"\n```\n\n\
                    | a | b |\n|---|--:|\n| c | 1 |\n\n<details><summary>d</summary>\n\n*e*\n\n</details>\n";
        let page = html_of(text, |link| Some(link.to_owned()));
        for piece in [
            "<h1 id=\"a-b-c\">A <code>b</code>: c!</h1>",
            "<pre><code class=\"language-rust\">a &lt; b &amp;&amp; \"c\"\n",
            "<div class=\"scroller\"><table>",
            "<td class=\"right\">1</td>",
            "<details><summary>d</summary>\n<p><em>e</em></p>\n</details>",
        ] {
            assert!(page.contains(piece), "{piece} in {page}");
        }
        assert!(!page.contains("style=") && !page.contains("<!--"), "{page}");
        assert_eq!(html_of_text("<b> & c"), "&lt;b&gt; &amp; c");
    }
}
