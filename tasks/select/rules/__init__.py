"""Selection rules: which of the fit answers are trained on.

A rule is a plain function, registered as an entry point of the group ``winnow.selectors`` or named 'package.module:function'::

    def rule(candidates: Mapping[str, Sequence[Row]], settings: SelectionSettings) -> dict[str, str]: ...

`candidates` are sample rows by prompt id: accepted, whole, past every filter, and each with three keys more, `score` (the
verdict's, 0–1), `family` ("" for none) and `pass_rate` (the prompt's estimated one, 0–1). It returns for each of them, by
sample id, the reason it is dropped for, "" for kept; of one prompt at most ``settings.most`` may be kept. Given the same
candidates in another order it keeps the same ones: what it leaves to chance, it decides by `lots.lot`.
"""
