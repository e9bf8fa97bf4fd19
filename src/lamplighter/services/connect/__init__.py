"""Connect: registrations, commands to devices, subscriptions and what devices report (the /v2 API)."""
