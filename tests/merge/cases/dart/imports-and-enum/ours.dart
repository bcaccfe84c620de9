import 'a.dart';
import 'b.dart';

enum Shop {
  open,
  closed,
}
