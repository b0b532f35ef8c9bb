"""Architecture."""

from collections.abc import Iterator

from pydantic import Field

from picasso.plugin import (
    Capability,
    Context,
    Drawing,
    ModelVisualization,
    NetworkGraph,
    Panel,
    Settings,
    maps_to_scale,
    network_graph,
    read_network,
    share_line,
)


class ArchitectureSettings(Settings):
    boxes: int = Field(
        30,
        ge=1,
        le=10_000,
        title="Boxes at first",
        description="About how many boxes are seen before blocks stay closed. The files that are saved show the same.",
    )
    to_scale: bool = Field(
        True,
        title="Maps to scale",
        description="Whether the maps are also drawn as papers do: high as they are large, wide as they have channels.",
    )


class Architecture(ModelVisualization[ArchitectureSettings]):
    """What the network is made of: its layers and blocks, what flows between them, and where its size and work lie."""

    name = "architecture"
    title = "Architecture"
    pitfalls = (
        "Compute counts multiplications by weights; what attention multiplies among tokens is not in it, and time also "
        "hangs on memory.",
        "Blocks are nested by the names of the layers; a network that names its layers in one row has none.",
    )
    needs = frozenset({Capability.ACTIVATIONS})
    takes_clips = True

    def look(self, ctx: Context, settings: ArchitectureSettings) -> Iterator[Panel]:
        ctx.progress(0, 2)
        network = read_network(ctx.whole)
        ctx.progress(1, 2)
        boxes, arcs = network_graph(network, settings.boxes)
        elsewhere = network.own.get((), 0)
        notes = list(network.notes)
        if elsewhere:
            notes.append(f"{elsewhere:,} parameters belong to no step that runs for a picture.")
        name = ctx.whole.name
        yield NetworkGraph(
            id="graph",
            title=f"Architecture of {name}",
            caption=share_line(boxes, elsewhere),
            boxes=boxes,
            arcs=arcs,
            elsewhere=elsewhere,
            notes=tuple(notes),
        )
        if settings.to_scale:
            yield Drawing(
                id="to-scale",
                title="Maps to scale",
                caption="Each block is the output of one or more steps in a row: its height and depth follow the "
                "logarithm of the map's sides, its width that of its channels. Dashed: data that skips blocks.",
                svg=maps_to_scale(boxes, arcs, f"The maps of {name}, from the input to the output"),
            )
        ctx.progress(2, 2)
