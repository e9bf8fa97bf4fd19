"""First to claim: owners name devices by their certificates, and the first who does so has them."""
