"""Models as a service over HTTP: photos come in, answers go out as JSON or a picture. ``gallop serve`` starts it.

A request passes ``door`` (may it come in?), is read by ``bodies`` or ``fetching``, waits its turn in ``batching`` and
is answered by ``models``, on the one thread that owns the backbones. Nothing of a photo is written anywhere.
"""
