fn main() {
    let mut args = std::env::args().skip(1);
    let (from, to) = (args.next().unwrap(), args.next().unwrap());
    let made = sluice_wasm::componentize(&std::fs::read(from).unwrap()).unwrap();
    std::fs::write(to, &made).unwrap();
    let home = sluice_wasm::Home::new(None).unwrap();
    let start = std::time::Instant::now();
    let component = home.look(&made).map_err(|e| e.to_string()).unwrap();
    println!("{:?} {} {} actions; asks {:?}", start.elapsed(), component.described.spec.name, component.described.spec.actions.len(), component.described.asks);
}
