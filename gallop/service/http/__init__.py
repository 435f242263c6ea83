"""Models as a service over HTTP: photos come in, answers go out as JSON or a picture. ``gallop serve`` starts it.

A request passes ``server`` (may it come in?), is read by ``bodies``, waits in ``batching`` and is answered by
``models``, on the one thread that owns the backbones. Nothing of a photo is written anywhere.
"""
