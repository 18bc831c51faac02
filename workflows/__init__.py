"""What must happen next: durable workflows, and the one door to them (`engine`)."""
