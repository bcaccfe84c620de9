const a = <Shop name="x" size={2} />;
