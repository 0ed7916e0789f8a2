//! The language of messages.

use crate::scheme::Lang;

/// Reads `ja` or `en`.
pub(crate) fn parse(text: &str) -> Result<Lang, String> {
    Lang::parse(text).ok_or_else(|| "ja or en".to_owned())
}

/// The language before the arguments are parsed: help and usage errors need it too.
pub(crate) fn of_process() -> Lang {
    choose(std::env::args().skip(1), |name| std::env::var(name).ok())
}

fn choose(args: impl Iterator<Item = String>, variable: impl Fn(&str) -> Option<String>) -> Lang {
    let mut args = args.take_while(|arg| arg != "--");
    while let Some(arg) = args.next() {
        let value = match arg.as_str() {
            "--lang" => args.next(),
            _ => arg.strip_prefix("--lang=").map(str::to_owned),
        };
        if let Some(lang) = value.and_then(|value| parse(&value).ok()) {
            return lang;
        }
    }
    if let Some(lang) = variable("DAICHO_LANG").and_then(|value| parse(&value).ok()) {
        return lang;
    }
    // The first of these that is set decides, as everywhere in POSIX.
    let system =
        ["LC_ALL", "LC_MESSAGES", "LANG"].iter().filter_map(|name| variable(name)).find(|v| !v.is_empty());
    if system.is_some_and(|value| value.starts_with("ja")) { Lang::Ja } else { Lang::En }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lang(args: &[&str], variables: &[(&str, &str)]) -> Lang {
        choose(args.iter().map(ToString::to_string), |name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_option_goes_before_the_variable_and_the_variable_before_the_system() {
        let system = ("LANG", "ja_JP.UTF-8");
        assert!(matches!(lang(&[], &[]), Lang::En));
        assert!(matches!(lang(&[], &[system]), Lang::Ja));
        assert!(matches!(lang(&[], &[system, ("LC_ALL", "C")]), Lang::En));
        assert!(matches!(lang(&[], &[system, ("DAICHO_LANG", "en")]), Lang::En));
        assert!(matches!(lang(&["log", "--lang=ja"], &[("DAICHO_LANG", "en")]), Lang::Ja));
        assert!(matches!(lang(&["--lang", "ja"], &[]), Lang::Ja));
    }
}
