"""A model as a service over HTTP: photos come in, answers go out as JSON or a picture. ``gallop serve`` starts it.

A request passes ``server`` (may it come in?), and is read and answered by ``service``. Nothing of a photo is written
anywhere.
"""
