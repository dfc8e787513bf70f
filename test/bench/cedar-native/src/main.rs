//! The workloads of bench policy in the native Cedar engine: policies, entities and requests parsed before, one decision timed at a time.
use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request, Schema};
use std::{env, fs, path::Path, str::FromStr, time::Instant};

fn uid(v: &serde_json::Value) -> EntityUid {
    EntityUid::from_json(v.clone()).expect("uid")
}

fn main() {
    let args: Vec<String> = env::args().collect();
    let dir = Path::new(&args[1]);
    let seconds: f64 = args[2].parse().expect("seconds");
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect(name);
    let started = Instant::now();
    let (schema, _) = Schema::from_cedarschema_str(&read("schema.cedarschema")).expect("schema");
    let policies = PolicySet::from_str(&read("policies.cedar")).expect("policies");
    let entities = Entities::from_json_str(&read("entities.json"), Some(&schema)).expect("entities");
    let load_ms = started.elapsed().as_secs_f64() * 1e3;
    let asked: Vec<serde_json::Value> = serde_json::from_str(&read("requests.json")).expect("requests");
    let requests: Vec<Request> = asked
        .iter()
        .map(|r| {
            let context = Context::from_json_value(r["context"].clone(), None).expect("context");
            Request::new(uid(&r["principal"]), uid(&r["action"]), uid(&r["resource"]), context, Some(&schema)).expect("request")
        })
        .collect();
    let authorizer = Authorizer::new();
    let empty = {
        let mut t: Vec<u128> = (0..1001).map(|_| Instant::now().elapsed().as_nanos()).collect();
        t.sort_unstable();
        t[500]
    };
    let (mut times, mut answers, begun) = (Vec::new(), String::new(), Instant::now());
    while begun.elapsed().as_secs_f64() < seconds && times.len() < 2_000_000 {
        for r in &requests {
            let t = Instant::now();
            let answer = authorizer.is_authorized(r, &policies, &entities);
            let ns = t.elapsed().as_nanos();
            if answers.len() < requests.len() {
                answers.push(if answer.decision() == Decision::Allow { 'A' } else { 'D' });
            }
            times.push(ns.saturating_sub(empty));
            if begun.elapsed().as_secs_f64() >= seconds {
                break;
            }
        }
    }
    times.sort_unstable();
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize];
    println!("{{\"load_ms\":{load_ms:.1},\"explain\":{{\"median\":{},\"p99\":{},\"n\":{}}},\"answers\":\"{answers}\"}}", at(0.5), at(0.99), times.len());
}
