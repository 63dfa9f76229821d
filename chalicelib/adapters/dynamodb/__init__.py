"""DynamoDB through pynamodb: documents, registers, directory.

Tables are named by settings, so the models are bound to a table when an
adapter is built. Every write is conditional; every multi-item write is one
transaction whose cancellation reasons are read one by one (`faults.py`).
"""
