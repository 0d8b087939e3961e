"""The make line that gives a result again, as far as the result tells what it was made with."""

from __future__ import annotations

from model.errors import LockstepError
from scripts.reporting.results import Fields, Source, make_line


def command(source: Source) -> str:
    """The make line; the plain one of the target where the result does not tell.

    An own data set (DATA=) is not told: results hold the hash of the data, not the place. An image is told as it was
    given.
    """
    if source.fields is None:
        return source.make
    values: dict[str, object] = {"NET": source.network}
    try:
        if "make" in source.fields:  # the result tells the line itself
            return source.fields.text("make")
        values |= _values(source.kind.name, source.fields)
    except LockstepError:
        return source.make
    return make_line(source.kind.name, values)


def _values(target: str, fields: Fields) -> dict[str, object]:
    if target == "c":
        target_given, weights = fields.text("target"), fields.text("weights")
        return {
            "TARGET": "" if target_given == "host" else target_given,
            "WEIGHTS": "" if weights == "packed" else weights,
            "MULTIPLY": "" if fields.flag("multiply") == (target_given == "host") else int(fields.flag("multiply")),
            "IMAGES": fields.whole("images"),
        }
    if target == "c-proof":
        return {"N": fields.whole("inputs"), "SEED": fields.whole("seed")}
    if target == "fuzz":
        only = "" if fields.flag("complete") else ", ".join(fields.object("examples"))
        return {"N": fields.whole("wanted"), "ONLY": only, "SEED": fields.whole("seed")}
    if target == "evaluate":
        part = fields.whole("images") < fields.whole("test_images")
        return {"IMAGES": fields.whole("images") if part else ""}
    if target == "train":
        recipe = fields.object("recipe")
        bits = {name: recipe.whole(key) for name, key in (("WBITS", "weight_bits"), ("ABITS", "act_bits"))}
        powers = recipe.maybe_text("weights")
        bits |= {"WBITS": 4} if powers else {}
        epochs = {f"{leg.upper()}_EPOCHS": recipe.object(leg).whole("epochs") for leg in ("float", "qat")}
        return {
            "NET": fields.text("net"),
            **{name: value for name, value in bits.items() if value != 4},
            **({"FORMAT": powers} if powers else {}),
            "SEED": recipe.whole("seed"),  # told in any case: the recipe in the tree may have other numbers by now
            **epochs,
        }
    if target == "random":
        return {
            "N": fields.whole("wanted" if "wanted" in fields else "draws"),
            "SEED": fields.whole("seed"),
            "FIRST": fields.maybe("first") or "",
            "SIM": fields.text("simulator"),
            "INIT": fields.maybe_text("init") or "",
        }
    if target == "benchmark-train":
        return {"NET": fields.text("net")}
    if target == "benchmark":
        return {"SIM": fields.text("simulator")}
    return {}
