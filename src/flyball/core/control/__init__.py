"""The governor: measures, decides, acts. `step` is all of it; a world drives it and has these duties.

1. It begins with `resume.resumed` and the state written down last. One driver per application, one step at a time.
2. It steps at the times that `cadence` says, and whenever a process, a build, a store or an operator has news. When
   `now` jumps, the step says so and judges nobody for the gap.
3. It shows every instance that it has started and was not told to forget, also one that has exited. An instance that
   was shown once and is missing now counts as gone.
4. Samples come with a tick, `sampled`, and cover the time since the tick before; those of the first tick are left out.
5. News (`builds`, `stores`, `mishaps`, `intents`) come once. If the step fails, the next one gets them again.
6. It writes down what was seen and decided before it carries anything out.
7. It gives the balancer the targets of the new state before it ends anything. `routing.targets` says who they are.
8. It carries out the actions in any order. Doing one twice is harmless: a step asks until it sees it done. An action
   that fails is not reported; the next observation shows it.
9. It tells every reason verbatim, and shows readers the view that `core.view.look` makes after the step.
"""
