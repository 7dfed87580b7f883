// Steps that the user did not write, under the step that they belong to.

const WORST = ["failed", "running", "stopped", "waiting", "done", "cached", "inside"];

export function fold(steps) {
  const names = new Set(steps.map((step) => step.name));
  const groups = [];
  const under = new Map();
  for (const step of steps) {
    const head = step.within[0];
    if (head !== undefined && names.has(head) && head !== step.name) {
      if (!under.has(head)) under.set(head, []);
      under.get(head).push(step);
    } else if (head !== undefined && !names.has(head)) {
      let group = groups.find((one) => one.name === head);
      if (group === undefined) groups.push((group = { name: head, head: null, steps: [] }));
      group.steps.push(step);
    } else groups.push({ name: step.name, head: step, steps: [] });
  }
  for (const group of groups) group.steps.push(...(under.get(group.name) ?? []));
  return groups;
}

// One line for a group: what is worst of its steps, and sums of what they have.
export function joined(group) {
  const all = group.head === null ? group.steps : [...group.steps, group.head];
  if (all.length === 1) return all[0];
  const sum = (name) => all.reduce((total, step) => total + step[name], 0);
  const lefts = all.map((step) => step.left).filter((left) => left !== null);
  const begun = all.some((step) => step.state === "running" || step.state === "done");
  let state = WORST.find((word) => all.some((step) => step.state === word)) ?? "waiting";
  if (state === "waiting" && begun) state = "running";
  return {
    ...all.at(-1), name: group.name, state, reason: group.head?.reason ?? `${all.length} steps`,
    n_blocks: sum("n_blocks"), n_done: sum("n_done"), n_cached: sum("n_cached"),
    n_failed: sum("n_failed"), n_orphaned: sum("n_orphaned"), seconds: sum("seconds"),
    rate: null, left: lefts.length ? Math.max(...lefts) : null,
  };
}
