<?php

use Shop\Cart;
use Shop\Tax;

class Sale
{
}
