"""Sessions served by a Ray cluster: what the client starts in the place of the worker where DIMAP_RAY is set.

Not here: how the cluster is found (`pipeline.cluster`) and what a request means (`requests`). One way: `relay` speaks
to client and cluster, `routes` says who works for whom, `hands` is the worker in an actor.
"""
