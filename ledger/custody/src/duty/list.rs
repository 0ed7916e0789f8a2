//! Which duties a scheme gives: its obligations, and the clauses of each sheet that a contract carries.

use daicho_core::Date;
use serde::{Deserialize, Serialize};

use crate::context::SchemeContext;
use crate::scheme::{Check, Clause, Contract, Obligation, PartyRole, Text};

/// Where a duty comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum DutySource {
    /// An obligation of the scheme.
    Obligation {
        /// Its id.
        id: String,
        /// Line of the paper.
        line: Option<u32>,
    },
    /// A clause (項) of the sheet that a contract carries.
    Clause {
        /// The sheet.
        sheet: String,
        /// Its number. 0: the sheet is not among the papers.
        n: u32,
    },
}

/// One thing that one party owes.
#[derive(Debug, Clone)]
pub struct Duty<'c> {
    /// Where it comes from.
    pub source: DutySource,
    /// Heading in Japanese.
    pub label: &'c str,
    /// What is owed, in our words.
    pub asks: Text,
    /// Who owes it.
    pub who: String,
    /// To whom it is owed or reported. Empty where the scheme names no person whose data it is.
    pub to: Vec<String>,
    /// Those of them whom a record must not leave out: it names them, or nobody.
    pub told: Vec<String>,
    /// The contract under which it is owed.
    pub contract: Option<&'c Contract>,
    /// Those whom it concerns: the other parties of the contract; of the ward, those whom it binds.
    pub others: Vec<String>,
    /// How it is judged.
    pub check: Check,
}

impl Duty<'_> {
    /// Its stable name in the scheme: `o_handlers/contractor`, `o_audit/ward/c1`, `c1/13/contractor`.
    pub fn object(&self) -> String {
        duty_object(&self.source, &self.who, self.contract.map(|c| c.id.as_str()))
    }
}

/// Stable name of a duty, as findings have it.
pub fn duty_object(source: &DutySource, who: &str, contract: Option<&str>) -> String {
    match (source, contract) {
        (DutySource::Obligation { id, .. }, Some(contract)) => format!("{id}/{who}/{contract}"),
        (DutySource::Obligation { id, .. }, None) => format!("{id}/{who}"),
        (DutySource::Clause { n, .. }, contract) => format!("{}/{n}/{who}", contract.unwrap_or_default()),
    }
}

/// Every duty of a scheme: its obligations in their order, then the clauses contract by contract.
pub fn duties(context: &SchemeContext) -> Vec<Duty<'_>> {
    let scheme = &context.scheme;
    let mut all: Vec<Duty<'_>> = scheme.obligations.iter().flat_map(|o| of_obligation(context, o)).collect();
    for contract in &scheme.contracts {
        let Some(sheet) = contract.clause_sheet.as_deref().and_then(|id| context.vocabulary.clause_sheet(id))
        else {
            continue;
        };
        if let Some(place) = &sheet.not_attached {
            all.extend(
                contract
                    .between
                    .iter()
                    .skip(1)
                    .map(|who| not_among_the_papers(contract, who, &sheet.id, &sheet.label, place)),
            );
        }
        for clause in &sheet.clauses {
            all.extend(of_clause(context, contract, &sheet.id, clause));
        }
    }
    all
}

fn of_obligation<'c>(context: &'c SchemeContext, o: &'c Obligation) -> Vec<Duty<'c>> {
    let duty = |who: &str, contract: Option<&'c Contract>| Duty {
        source: DutySource::Obligation { id: o.id.clone(), line: o.line },
        label: &o.duty.ja,
        asks: o.duty.clone(),
        who: who.to_owned(),
        to: if o.to.is_empty() { entitled(context, who, contract) } else { o.to.clone() },
        told: o.to.clone(),
        contract,
        others: contract.map(|c| counterparts(context, who, c)).unwrap_or_default(),
        check: o.check.clone(),
    };
    let who = || o.who.iter().map(String::as_str);
    if o.contracts.is_empty() {
        return who().map(|who| duty(who, None)).collect();
    }
    let contracts = o.contracts.iter().filter_map(|id| context.scheme.contract(id));
    contracts.flat_map(|contract| who().map(move |who| duty(who, Some(contract)))).collect()
}

/// To whom a party owes what is written down without saying so: to those who entrusted the work to it by contract; where
/// nobody did, to the persons whose data it is.
fn entitled(context: &SchemeContext, who: &str, contract: Option<&Contract>) -> Vec<String> {
    let scheme = &context.scheme;
    let bound = |c: &&Contract| c.between.iter().skip(1).any(|party| party == who);
    let under = |c: &Contract| c.between.first().cloned();
    let mut to: Vec<String> = contract.filter(bound).and_then(under).into_iter().collect();
    if to.is_empty() {
        to.extend(scheme.contracts.iter().filter(bound).filter_map(under));
    }
    if to.is_empty() {
        let persons = scheme.parties.iter().filter(|p| p.role == PartyRole::DataSubject);
        to.extend(persons.map(|p| p.id.clone()));
    }
    to.sort();
    to.dedup();
    to
}

/// The other parties of a contract; of the ward, those whom it binds, also where it is another's: a subcontract.
fn counterparts(context: &SchemeContext, who: &str, contract: &Contract) -> Vec<String> {
    let entrusts = usize::from(is_controller(context, who));
    let others = contract.between.iter().skip(entrusts);
    others.filter(|p| *p != who && !is_controller(context, p)).cloned().collect()
}

fn of_clause<'c>(
    context: &'c SchemeContext,
    contract: &'c Contract,
    sheet: &str,
    clause: &'c Clause,
) -> Vec<Duty<'c>> {
    let bound: Vec<&str> = contract.between.iter().skip(1).map(String::as_str).collect();
    let who = match clause.duty_of.as_deref() {
        None => bound,
        Some(role) => role_of(context, contract, role).into_iter().collect(),
    };
    who.into_iter()
        .map(|who| {
            let mut check = clause.check.clone();
            if let Check::Before { by: Some(by), .. } | Check::Response { by: Some(by), .. } = &mut check
                && let Some(party) = role_of(context, contract, by)
            {
                party.clone_into(by);
            }
            let told: Vec<String> = clause
                .to
                .iter()
                .filter_map(|role| role_of(context, contract, role))
                .map(str::to_owned)
                .collect();
            Duty {
                source: DutySource::Clause { sheet: sheet.to_owned(), n: clause.n },
                label: &clause.label,
                asks: clause.asks.clone(),
                who: who.to_owned(),
                to: if told.is_empty() { entitled(context, who, Some(contract)) } else { told.clone() },
                told,
                contract: Some(contract),
                others: counterparts(context, who, contract),
                check,
            }
        })
        .collect()
}

fn not_among_the_papers<'c>(
    contract: &'c Contract,
    who: &str,
    sheet: &str,
    label: &'c str,
    place: &str,
) -> Duty<'c> {
    let asks = Text {
        ja: format!("{label}の各条項"),
        en: format!("the clauses of {sheet}, which is not among the papers"),
    };
    let why = Text {
        ja: format!("条項は{place}にあり、手元の書面にありません"),
        en: format!("its clauses are in {place}, which is not among the papers"),
    };
    Duty {
        source: DutySource::Clause { sheet: sheet.to_owned(), n: 0 },
        label,
        asks,
        who: who.to_owned(),
        to: contract.between.first().cloned().into_iter().collect(),
        told: Vec::new(),
        contract: Some(contract),
        others: Vec::new(),
        check: Check::NotJudged { why },
    }
}

fn is_controller(context: &SchemeContext, party: &str) -> bool {
    context.party(party).is_some_and(|p| p.role == PartyRole::Controller)
}

/// The party that a sheet calls 甲, 乙 or 丙 under a contract.
fn role_of<'c>(context: &'c SchemeContext, contract: &'c Contract, role: &str) -> Option<&'c str> {
    let controller = || context.scheme.parties.iter().find(|p| p.role == PartyRole::Controller);
    let is_subcontract = contract.between.first().is_some_and(|p| !is_controller(context, p));
    match role {
        "甲" => controller().map(|p| p.id.as_str()),
        "乙" => contract.between.get(usize::from(!is_subcontract)).map(String::as_str),
        "丙" => contract.between.last().map(String::as_str),
        _ => None,
    }
}

/// First and last day of a contract as the scheme has it.
pub(super) fn stated_window(context: &SchemeContext, contract: &Contract) -> (Option<Date>, Option<Date>) {
    (context.matter_start(&contract.matter), context.matter_end(&contract.matter))
}
